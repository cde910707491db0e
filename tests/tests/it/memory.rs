//! What a fleet shares, at its edges: conflicts of several, changes that come too late, workers that lose their
//! sessions, a leader that dies. A test for each call of [`Memory`] is in `features`.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{join, try_join_all};
use quorate::{
    ConflictEntry, Consistency, ErrorKind, Keys, Memory, MemoryChange, MemoryEvent, Outcome, Result, TaskLock, Tier,
    WorkerOp,
};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fleet::{
    PATIENCE, cached, collecting, disagree, fleet, found, hand_over, lock, refusal, register, set_queue, state,
    strongly, told, until, until_told, with_cache,
};

#[tokio::test]
async fn a_capacity_counts_from_the_status_that_says_it_and_is_not_below_what_a_worker_has() {
    let (_cluster, [one, other, _]) = fleet().await;
    let capacity = async || {
        let record = other.client().worker("worker-1").await.unwrap();
        record.unwrap().capacity
    };
    register(&one, 5).await;
    assert_eq!(capacity().await, 5);
    register(&one, 7).await;
    one.sync_worker_status("worker-1", "says nothing of it").await.unwrap();
    assert_eq!(capacity().await, 7);
    let busy = json!({"state": "busy"});
    let revision = other.sync_worker_status("worker-1", &busy).await.unwrap();
    let status = one.read::<Value>(one.key("workers/worker-1/status"));
    let status = status.consistency(Consistency::Strong).await.unwrap().unwrap();
    assert_eq!((status.revision, status.into_value()), (revision, busy));
    other.sync_assignments([("worker-1", ["a", "b"])]).await.unwrap();
    let too_few = one.sync_worker_capacity("worker-1", 1).await;
    assert_eq!(refusal(too_few), ErrorKind::NoCapacity { limit: 1, value: 2 });
}

#[tokio::test]
async fn a_worker_that_lost_its_session_registers_again_with_all_it_had_said() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 3).await;
    one.sync_worker_capacity("worker-1", 4).await.unwrap();
    let before = other.client().worker("worker-1").await.unwrap().unwrap();
    other.client().revoke_lease(before.lease).await.unwrap();
    until(true, async || {
        let active = other.get_active_workers().await.unwrap();
        let mut again = active.iter().filter(|worker| worker.lease != before.lease);
        again.any(|worker| worker.capacity == 4)
    })
    .await;
    for (what, value) in [
        ("status", json!({"state": "active", "capacity": 3})),
        ("capacity", json!(4)),
    ] {
        let key = one.key(format!("workers/worker-1/{what}"));
        until(Some(value), || strongly::<Value>(&other, &key)).await;
    }
}

#[tokio::test]
async fn a_conflict_is_resolved_by_the_first_who_reads_it() {
    let (_cluster, [one, other, third]) = fleet().await;
    let mut events = third.events();
    disagree([&one, &other], "t", [json!({"files": 3}), json!({"tests": 7})], &third).await;
    let both = json!({"files": 3, "tests": 7});
    assert_eq!(told(&third, "t").await, both);
    match events.next().await {
        Some(MemoryEvent::ConflictResolved {
            resolution, entries: 2, ..
        }) => {
            assert_eq!(
                (&resolution.resolved, resolution.strategy.as_str()),
                (&both, "merge_objects")
            );
        }
        event => panic!("{event:?}"),
    }
    hand_over(&third, &one);
    assert_eq!(told(&one, "t").await, both);
    assert_eq!((third.get_metrics().conflicts, one.get_metrics().conflicts), (1, 0));
}

#[tokio::test]
async fn values_that_nobody_has_seen_before_are_resolved_by_their_times() {
    let (_cluster, [one, ..]) = fleet().await;
    let entry = |value: Value| ConflictEntry::new(&value).unwrap();
    let newer = entry(json!({"a": 2, "b": 3})).written_at(2);
    let older = entry(json!({"a": 1, "c": 4})).written_at(1);
    let resolution = one.resolve_conflict([newer, older]).unwrap();
    assert_eq!(resolution.resolved, json!({"a": 2, "b": 3, "c": 4}));
    assert!(resolution.discarded.is_empty(), "{resolution:?}");
}

#[tokio::test]
async fn what_is_made_of_several_values_lives_as_long_as_the_last_of_them() {
    let (_cluster, [one, other, _]) = fleet().await;
    for (agent, ttls, expected) in [("ever", [0, 10], 0..=0), ("a-while", [10, 60], 40..=60)] {
        for (memory, ttl) in [(&one, ttls[0]), (&other, ttls[1])] {
            let write = memory.sync_agent_coordination("t", agent, &json!({"by": memory.worker_id()}));
            write.ttl(Duration::from_secs(ttl)).await.unwrap();
        }
        hand_over(&other, &one);
        one.get_agent_coordination::<Value>("t", agent).await.unwrap().unwrap();
        assert_eq!(one.get_metrics().conflicts, if agent == "ever" { 1 } else { 2 });
        let key = one.key(format!("tasks/t/agents/{agent}"));
        let entry = one.client().eventual().get(key).await.unwrap().entry.unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let left = entry
            .expires_at_ms
            .map_or(0, |end| end.saturating_sub(now).div_ceil(1_000));
        assert!(expected.contains(&left), "{left} s of {ttls:?}");
    }
}

#[tokio::test]
async fn a_queue_that_many_read_change_and_write_back_loses_nothing() {
    let (_cluster, memories) = fleet().await;
    set_queue(&memories[0], &["first"], &[]).await;
    let writers = memories.iter().map(async |memory| -> Result<u32> {
        let mut conflicts = 0;
        for number in 0..10 {
            loop {
                let mut queue = memory.get_queue().await?;
                queue.pending.push(format!("{}-{number}", memory.worker_id()));
                match memory.sync_queue(&queue).await {
                    Ok(_) => break,
                    Err(error) if *error.kind() == ErrorKind::Conflict => conflicts += 1,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(conflicts)
    });
    let conflicts: u32 = try_join_all(writers).await.unwrap().iter().sum();
    let queue = memories[0].get_queue().await.unwrap();
    assert_eq!(queue.pending.len(), 31, "after {conflicts} conflicts");
}

#[tokio::test]
async fn an_item_that_a_sync_takes_from_a_worker_is_fenced() {
    let (_cluster, [one, other, _]) = fleet().await;
    set_queue(&one, &["a", "b"], &["c"]).await;
    let done = other.queue().claim(1).await.unwrap().pop().unwrap();
    assert_eq!(done.payload(), "a");
    done.ack().await.unwrap();
    let taken = other.queue().claim(1).await.unwrap().pop().unwrap();
    set_queue(&one, &["b"], &[]).await;
    assert_eq!(refusal(taken.ack().await), ErrorKind::Fenced);
    let queue = one.get_queue().await.unwrap();
    assert_eq!((queue.pending.concat().as_str(), queue.claimed), ("b", 0));
}

#[tokio::test]
async fn assignments_are_refused_if_others_changed_them_and_are_kept_as_a_map() {
    let (_cluster, [one, other, third]) = fleet().await;
    register(&one, 2).await;
    register(&other, 1).await;
    let wanted = [("worker-1", vec!["a", "b"]), ("worker-2", vec!["c"])];
    let synced = third.sync_assignments(wanted).await.unwrap();
    assert_eq!((synced.assigned, synced.moved), (3, 0));
    let read = third.get_assignments().await.unwrap().revision;
    let late = third.sync_assignments([("worker-1", ["a"])]);
    let late = late.expected_revision(read - 1).await;
    assert_eq!(refusal(late), ErrorKind::Conflict);
    // Those who subscribe find the map where the users look for it.
    let map = strongly::<BTreeMap<String, Vec<String>>>(&third, third.key("coordination/assignments"));
    assert_eq!(map.await.unwrap()["worker-2"], ["c"]);
}

#[tokio::test]
async fn a_level_of_the_other_tier_and_a_value_of_another_type_are_refused() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.write("plan", &json!({"steps": 3})).await.unwrap();
    let plan = other.read::<Value>("plan");
    let read = plan.consistency(Consistency::Strong).await.unwrap().unwrap();
    assert_eq!((read["steps"].clone(), read.tier), (json!(3), Tier::Strong));
    let eventual = other.read::<Value>("plan").consistency(Consistency::Eventual);
    assert_eq!(refusal(eventual.await), ErrorKind::TierMismatch);
    assert_eq!(refusal(other.read::<u8>("plan").await), ErrorKind::Json);
}

#[tokio::test]
async fn a_value_is_found_by_its_tag_and_lives_for_an_hour_by_default() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.write("kept", &1).tags(["urgent"]).await.unwrap();
    one.write("for ever", &1).ttl(Duration::ZERO).await.unwrap();
    let tagged = other.client().range(Keys::all()).tag("urgent").await.unwrap();
    assert_eq!(tagged.records.len(), 1);
    assert!(tagged.records[0].expires_at_ms.is_some());
    let for_ever = other.client().get("for ever").await.unwrap().record.unwrap();
    assert_eq!(for_ever.expires_at_ms, None);
}

#[tokio::test]
async fn an_asterisk_stays_in_its_segment_unless_it_is_the_last_one() {
    let (_cluster, [one, ..]) = fleet().await;
    for task in ["a", "b"] {
        one.sync_task_state(task, "running").await.unwrap();
    }
    one.write("elsewhere", &1).await.unwrap();
    let states = ["a", "b"].map(|task| (one.key(format!("tasks/{task}/state")), Tier::Strong));
    assert_eq!(found(&one, "task-sentinel/tasks/*/state").await, states);
    assert_eq!(found(&one, "task-sentinel/*").await, states);
    assert_eq!(found(&one, "task-sentinel/*/state").await, []);
}

#[tokio::test]
async fn what_the_cache_drops_by_a_pattern_is_told_and_nothing_else() {
    let (cluster, [one, ..]) = fleet().await;
    let reader = with_cache(&cluster).await;
    let (callback, dropped) = collecting::<str>();
    let states = reader.subscribe("task-sentinel/tasks/*/state");
    states.on_invalidate(callback).await.unwrap();
    cached(&one, &reader, ["a", "b"]).await;
    assert_eq!(reader.invalidate_pattern("task-sentinel/tasks/a/*").await.unwrap(), 1);
    until([one.key("tasks/a/state")], async || dropped.lock().clone()).await;
}

#[tokio::test]
async fn a_memory_goes_on_when_the_leader_dies() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let builder = Memory::builder().endpoints(cluster.endpoints()).worker_id("worker-1");
    let memory = builder
        .heartbeat_interval(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    register(&memory, 1).await;
    let registered = memory.worker().await.unwrap().registered_revision();
    let held = lock(&memory, "t").await.unwrap();
    let (callback, changes) = collecting::<MemoryChange>();
    let states = memory.subscribe("task-sentinel/tasks/*/state").on_change(callback);
    states.await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    cluster.kill9(leader).unwrap();
    memory.sync_task_state("t", "running").fence(&held).await.unwrap();
    memory.sync_task_progress("t", 50, "running").await.unwrap();
    memory.force_sync().await.unwrap();
    let state = memory.get_task_state::<String>("t").await.unwrap();
    assert_eq!(state.unwrap().as_str(), "running");
    assert_eq!(memory.get_task_progress("t").await.unwrap().unwrap().percent, 50);
    until_told(&changes, "tasks/t/state", Some(json!("running"))).await;
    memory.update_heartbeat().await.unwrap();
    let record = memory.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(
        record.registered_revision, registered,
        "its session has lived through it"
    );
    memory.release_task_lock("t").await.unwrap();
    memory.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_lock_is_given_back_when_the_work_under_it_fails_or_is_given_up() {
    let (_cluster, [one, other, _]) = fleet().await;
    let held = lock(&one, "t").await.unwrap();
    assert_eq!(held.hold_while(async { Err::<(), _>("no") }).await.unwrap(), Err("no"));
    let next = lock(&other, "t").await.expect("it was given back");
    next.release().await.unwrap();
    let held = lock(&one, "t").await.unwrap();
    let never = held.hold_while(pending::<()>());
    assert!(timeout(Duration::from_millis(50), never).await.is_err());
    let next = until_locked(&other).await;
    next.release().await.unwrap();
    let held = lock(&one, "t").await.unwrap();
    drop(held.hold_while(pending::<()>()));
    until_locked(&other).await.release().await.unwrap();
}

async fn until_locked(memory: &Memory) -> TaskLock {
    let taken = async || lock(memory, "t").await.ok_or("somebody else has it");
    wait::until("the lock to be given back", PATIENCE, taken).await.unwrap()
}

#[tokio::test]
async fn work_is_dropped_when_its_lock_is_lost_and_not_begun_without_one() {
    let (_cluster, [one, other, _]) = fleet().await;
    let ended = async |held: &TaskLock| {
        let ended = timeout(PATIENCE, held.hold_while(pending::<()>())).await;
        let refused = ended.expect("it ends").unwrap_err();
        (refused.kind().clone(), refused.outcome())
    };
    let short = Duration::from_secs(2);
    let held = one.acquire_task_lock("t", short).await.unwrap().unwrap();
    let record = other.client().find_lock(one.key("tasks/t/lock")).await.unwrap();
    let lease = record.unwrap().holders[0].lease;
    let (ended_then, revoked) = join(ended(&held), other.client().revoke_lease(lease)).await;
    revoked.unwrap();
    assert_eq!(ended_then, (ErrorKind::Fenced, Outcome::Unknown));
    assert_eq!(ended(&held).await, (ErrorKind::Fenced, Outcome::NotApplied));
    let held = lock(&one, "t").await.unwrap();
    one.release_task_lock("t").await.unwrap();
    assert_eq!(
        ended(&held).await,
        (ErrorKind::Fenced, Outcome::NotApplied),
        "it was given back"
    );
    let held = lock(&one, "t").await.unwrap();
    let work = held.hold_while(async { one.shutdown().await.unwrap() });
    let refused = work.await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.outcome()),
        (&ErrorKind::Fenced, Outcome::Unknown),
        "it went on when the lock was free for others"
    );
    assert_eq!(ended(&held).await, (ErrorKind::Closed, Outcome::NotApplied));
}

#[tokio::test]
async fn a_state_and_what_goes_with_it_are_written_at_one_revision_or_not_at_all() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    let to_one = |task: &str| WorkerOp::assign(task).to("worker-1");
    let written = one.sync_task_state("a", "assigned").with(to_one("a")).await.unwrap();
    let assigned = other.get_assignments().await.unwrap();
    assert_eq!(
        (&*assigned.by_worker()["worker-1"], assigned.revision),
        (&["a"][..], written.revision)
    );
    let refused = one.sync_task_state("b", "assigned").with(to_one("b")).await;
    assert_eq!(refusal(refused), ErrorKind::NoCapacity { limit: 1, value: 2 });
    assert_eq!(state(&other, "b").await, "");
    let progress = one.write(one.key("tasks/a/progress"), &1).with(to_one("b")).await;
    let refused = progress.unwrap_err();
    assert!(refused.to_string().contains("with"), "{refused}");
}
