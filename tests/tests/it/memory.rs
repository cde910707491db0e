//! Tasks, locks, workers, agents, the queue and metrics of a fleet, against real members: one test for each call of
//! [`Memory`], in the order of its guide. The other calls are in `memory_keys`.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use quorate::{Consistency, ErrorKind, Heartbeat, Memory, MemoryEvent, QueueState, Result, Source, resolvers};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const TTL: Duration = Duration::from_secs(30);
/// A worker that stops is dead after three of them.
const BEAT: Duration = Duration::from_millis(300);

/// Three members and a memory at each.
pub async fn fleet() -> (Cluster, [Memory; 3]) {
    let cluster = Cluster::start(3).await.unwrap();
    let memory = async |id: u64| {
        let client = cluster.client_of(id).await.unwrap();
        let builder = Memory::builder().client(client).worker_id(format!("worker-{id}"));
        let builder = builder
            .heartbeat_interval(BEAT)
            .conflict_resolver(resolvers::merge_objects);
        builder.connect().await.unwrap()
    };
    let memories = [memory(1).await, memory(2).await, memory(3).await];
    (cluster, memories)
}

/// A memory with a client, and so a cache, of its own.
pub async fn with_cache(cluster: &Cluster) -> Memory {
    let builder = Memory::builder().endpoints(cluster.endpoints());
    builder.worker_id("reader").connect().await.unwrap()
}

/// What the other one has seen is seen here.
pub fn hand_over(from: &Memory, to: &Memory) {
    to.client().observe(&from.client().causal_token());
}

pub async fn register(memory: &Memory, capacity: u32) {
    let status = json!({"state": "active", "capacity": capacity});
    memory.sync_worker_status(memory.worker_id(), &status).await.unwrap();
}

#[tokio::test]
async fn a_task_state_is_written_under_a_lock_and_from_a_revision() {
    let (_cluster, [one, other, _]) = fleet().await;
    let lock = one.acquire_task_lock("t", TTL).await.unwrap().unwrap();
    let first = one
        .sync_task_state("t", "one")
        .expected_revision(0)
        .fence(&lock)
        .await
        .unwrap();
    let read = other
        .get_task_state::<String>("t")
        .consistency(Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.as_str(), read.revision), ("one", first.revision));
    other
        .sync_task_state("t", "other")
        .expected_revision(first.revision)
        .await
        .unwrap();
    let late = one
        .sync_task_state("t", "late")
        .expected_revision(first.revision)
        .await
        .unwrap_err();
    assert_eq!(late.kind(), &ErrorKind::Conflict);
    one.release_task_lock("t").await.unwrap();
    let fenced = one.sync_task_state("t", "late").fence(&lock).await.unwrap_err();
    assert_eq!(fenced.kind(), &ErrorKind::Fenced);
    let left = one
        .get_task_state::<String>("t")
        .consistency(Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(left.as_str(), "other");
}

#[tokio::test]
async fn a_task_state_is_read_at_every_level_and_then_from_the_cache() {
    let (cluster, [one, ..]) = fleet().await;
    let written = one.sync_task_state("t", "running").await.unwrap();
    let reader = with_cache(&cluster).await;
    hand_over(&one, &reader);
    for level in [
        Consistency::Strong,
        Consistency::BoundedStale(Duration::from_secs(1)),
        Consistency::Local,
    ] {
        let read = reader
            .get_task_state::<String>("t")
            .consistency(level)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (read.as_str(), read.revision),
            ("running", written.revision),
            "{level:?}"
        );
    }
    wait::until("the cache to answer", PATIENCE, async || {
        let read = reader
            .get_task_state::<String>("t")
            .await
            .map_err(|error| error.to_string())?;
        let source = read.map(|read| read.source);
        (source == Some(Source::Cache))
            .then_some(())
            .ok_or(format!("{source:?}"))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn progress_is_reported_often_and_written_seldom() {
    let (_cluster, [one, other, _]) = fleet().await;
    for percent in 0..=100 {
        one.sync_task_progress("t", percent, "running").await.unwrap();
    }
    let written = one.force_sync().await.unwrap();
    assert!(written < 50, "101 reports are far fewer writes: {written}");
    hand_over(&one, &other);
    let progress = other.get_task_progress("t").await.unwrap().unwrap();
    assert_eq!((progress.percent, progress.worker.as_str()), (100, "worker-1"));
}

#[tokio::test]
async fn of_all_who_want_a_lock_one_gets_it_with_a_token_greater_than_all_before() {
    let (_cluster, memories) = fleet().await;
    let mut token = 0;
    for _ in 0..3 {
        let wanted = try_join_all(memories.iter().map(|memory| memory.acquire_task_lock("t", TTL)));
        let held: Vec<_> = wanted.await.unwrap().into_iter().flatten().collect();
        assert_eq!(held.len(), 1);
        for lock in held {
            assert!(lock.token() > token && lock.deadline() > tokio::time::Instant::now());
            token = lock.token();
            lock.release().await.unwrap();
        }
    }
    let contended: u64 = memories.iter().map(|memory| memory.get_metrics().locks.contended).sum();
    assert_eq!(contended, 6);
}

#[tokio::test]
async fn a_lock_is_released_by_its_holder_and_by_nobody_else() {
    let (_cluster, [one, other, _]) = fleet().await;
    // Dropping what says that it is held does not release it.
    assert!(one.acquire_task_lock("t", TTL).await.unwrap().is_some());
    let refused = other.release_task_lock("t").await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Fenced);
    assert!(other.acquire_task_lock("t", TTL).await.unwrap().is_none());
    one.release_task_lock("t").await.unwrap();
    assert!(other.acquire_task_lock("t", TTL).await.unwrap().is_some());
    assert_eq!(one.release_task_lock("t").await.unwrap_err().kind(), &ErrorKind::Fenced);
}

#[tokio::test]
async fn a_lock_whose_holder_died_is_free_after_its_time_to_live() {
    let (_cluster, [one, other, _]) = fleet().await;
    let short = Duration::from_millis(600);
    let held = one.acquire_task_lock("t", short).await.unwrap().unwrap();
    // Its session is renewed no more, as if the process had been killed.
    one.client().close().await;
    let next = wait::until("the lock to be free", PATIENCE, async || {
        let lock = other
            .acquire_task_lock("t", short)
            .await
            .map_err(|error| error.to_string())?;
        lock.ok_or_else(|| "it is held".to_owned())
    });
    assert!(next.await.unwrap().token() > held.token());
}

#[tokio::test]
async fn a_status_registers_its_worker_and_is_written_for_registered_ones_only() {
    let (_cluster, [one, other, _]) = fleet().await;
    let unknown = other.sync_worker_status("worker-1", "busy").await.unwrap_err();
    assert_eq!(unknown.kind(), &ErrorKind::UnknownWorker);
    register(&one, 5).await;
    let record = other.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(record.capacity, 5);
    // Another capacity counts from the status on that says it.
    register(&one, 7).await;
    one.sync_worker_status("worker-1", "says nothing of it").await.unwrap();
    let record = other.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(record.capacity, 7);
    let revision = other
        .sync_worker_status("worker-1", &json!({"state": "busy"}))
        .await
        .unwrap();
    let key = one.key("workers/worker-1/status");
    let status = one
        .read::<Value>(&key)
        .consistency(Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (status.value.clone(), status.revision),
        (json!({"state": "busy"}), revision)
    );
    // It goes with the worker.
    one.shutdown().await.unwrap();
    assert!(
        other
            .read::<Value>(&key)
            .consistency(Consistency::Strong)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_capacity_is_kept_to_by_assignments() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    let two = || other.sync_assignments([("worker-1", ["a", "b"])]).into_future();
    let refused = two().await.unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::NoCapacity { limit: 1, value: 2 }),
        "{refused:?}"
    );
    let revision = other.sync_worker_capacity("worker-1", 2).await.unwrap();
    let key = one.key("workers/worker-1/capacity");
    let capacity = one
        .read::<u32>(key)
        .consistency(Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((capacity.value, capacity.revision), (2, revision));
    two().await.unwrap();
    let too_few = one.sync_worker_capacity("worker-1", 1).await.unwrap_err();
    assert!(matches!(too_few.kind(), ErrorKind::NoCapacity { .. }), "{too_few:?}");
}

#[tokio::test]
async fn heartbeats_are_made_by_themselves_and_keep_the_worker_alive() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.update_heartbeat().await.unwrap();
    let registered = one.worker().await.unwrap().registered_revision();
    let key = one.key("workers/worker-1/heartbeat");
    // Longer than its session would live without them.
    wait::until("ten heartbeats", PATIENCE, async || {
        let beat = other.read::<Heartbeat>(&key).await.map_err(|error| error.to_string())?;
        let beats = beat.map_or(0, |beat| beat.beat);
        (beats >= 10).then_some(()).ok_or(format!("{beats} were made"))
    })
    .await
    .unwrap();
    let record = other.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(record.registered_revision, registered, "it never had to register again");
}

#[tokio::test]
async fn a_worker_that_lost_its_session_registers_again_with_all_it_had_said() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 3).await;
    one.sync_worker_capacity("worker-1", 4).await.unwrap();
    let before = other.client().worker("worker-1").await.unwrap().unwrap();
    other.client().revoke_lease(before.lease).await.unwrap();
    wait::until("the worker to be back", PATIENCE, async || {
        let active = other.get_active_workers().await.map_err(|error| error.to_string())?;
        let back = active
            .iter()
            .any(|worker| worker.lease != before.lease && worker.capacity == 4);
        back.then_some(()).ok_or(format!("{active:?}"))
    })
    .await
    .unwrap();
    for (what, value) in [
        ("status", json!({"state": "active", "capacity": 3})),
        ("capacity", json!(4)),
    ] {
        let key = one.key(format!("workers/worker-1/{what}"));
        wait::until("what it had said", PATIENCE, async || {
            let read = other.read::<Value>(&key).consistency(Consistency::Strong).await;
            let read = read.map_err(|error| error.to_string())?.map(|read| read.into_value());
            (read.as_ref() == Some(&value)).then_some(()).ok_or(format!("{read:?}"))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_worker_is_active_until_it_leaves_or_dies() {
    let (_cluster, [one, other, third]) = fleet().await;
    for memory in [&one, &other, &third] {
        register(memory, 1).await;
    }
    let active = async || -> Result<Vec<String>> {
        let workers = third.get_active_workers().await?;
        Ok(workers.into_iter().map(|worker| worker.worker).collect())
    };
    assert_eq!(active().await.unwrap(), ["worker-1", "worker-2", "worker-3"]);
    one.shutdown().await.unwrap();
    assert_eq!(active().await.unwrap(), ["worker-2", "worker-3"]);
    // Its session is renewed no more, as if the process had been killed.
    other.client().close().await;
    wait::until("the dead worker to be noticed", PATIENCE, async || {
        let active = active().await.map_err(|error| error.to_string())?;
        (active == ["worker-3"]).then_some(()).ok_or(format!("{active:?}"))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_agents_tell_at_the_same_time_is_all_kept() {
    let (_cluster, [one, other, third]) = fleet().await;
    one.sync_agent_coordination("t", "coder", &json!({"files": 3}))
        .await
        .unwrap();
    other
        .sync_agent_coordination("t", "coder", &json!({"tests": 7}))
        .await
        .unwrap();
    hand_over(&one, &third);
    hand_over(&other, &third);
    let entry = third
        .client()
        .eventual()
        .get(third.key("tasks/t/agents/coder"))
        .await
        .unwrap()
        .entry
        .unwrap();
    assert_eq!(entry.siblings.len(), 2);
    // What was written by one that had seen the other stands alone.
    one.sync_agent_coordination("t", "tester", &json!(1)).await.unwrap();
    one.sync_agent_coordination("t", "tester", &json!(2)).await.unwrap();
    let entry = one
        .client()
        .eventual()
        .get(one.key("tasks/t/agents/tester"))
        .await
        .unwrap()
        .entry
        .unwrap();
    assert!(entry.siblings.len() < 2, "{entry:?}");
}

#[tokio::test]
async fn a_conflict_is_resolved_by_the_first_who_reads_it() {
    let (_cluster, [one, other, third]) = fleet().await;
    let mut events = third.events();
    one.sync_agent_coordination("t", "coder", &json!({"files": 3}))
        .await
        .unwrap();
    other
        .sync_agent_coordination("t", "coder", &json!({"tests": 7}))
        .await
        .unwrap();
    hand_over(&one, &third);
    hand_over(&other, &third);
    let both = json!({"files": 3, "tests": 7});
    let read = third
        .get_agent_coordination::<Value>("t", "coder")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.into_value(), both);
    match events.next().await {
        Some(MemoryEvent::ConflictResolved {
            resolution, entries: 2, ..
        }) => {
            assert_eq!(
                (resolution.resolved, resolution.strategy.as_str()),
                (both.clone(), "merge_objects")
            );
        }
        event => panic!("{event:?}"),
    }
    hand_over(&third, &one);
    let read = one
        .get_agent_coordination::<Value>("t", "coder")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.into_value(), both);
    assert_eq!((third.get_metrics().conflicts, one.get_metrics().conflicts), (1, 0));
}

#[tokio::test]
async fn the_agents_of_a_task_are_read_together() {
    let (_cluster, [one, other, _]) = fleet().await;
    for (task, agent, number) in [("t", "coder", 1), ("t", "tester", 2), ("u", "coder", 3)] {
        one.sync_agent_coordination(task, agent, &number).await.unwrap();
    }
    hand_over(&one, &other);
    let agents = other.get_task_agents::<u8>("t").await.unwrap();
    assert_eq!(
        agents,
        BTreeMap::from([("coder".to_owned(), 1), ("tester".to_owned(), 2)])
    );
}

#[tokio::test]
async fn a_queue_that_many_read_change_and_write_back_loses_nothing() {
    let (_cluster, memories) = fleet().await;
    memories[0]
        .sync_queue(&QueueState::new(["first"], Vec::<String>::new()))
        .await
        .unwrap();
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
async fn the_queue_is_read_as_lists_with_depths_and_claimed_item_by_item() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.sync_queue(&QueueState::new(["a", "b"], ["c"])).await.unwrap();
    let queue = other.get_queue().await.unwrap();
    assert_eq!(
        (queue.pending.as_slice(), queue.processing.as_slice()),
        (&["a".to_owned(), "b".to_owned()][..], &["c".to_owned()][..])
    );
    assert_eq!((queue.ready, queue.claimed, queue.delayed, queue.dead), (2, 1, 0, 0));
    let claimed = other.queue().claim(1).await.unwrap().pop().unwrap();
    assert_eq!(claimed.payload(), "a");
    let queue = one.get_queue().await.unwrap();
    assert_eq!((queue.pending.len(), queue.processing.len()), (1, 2));
    claimed.ack().await.unwrap();
    // What somebody has is taken from it by a sync, and its receipt is worth nothing.
    let taken = other.queue().claim(1).await.unwrap().pop().unwrap();
    one.sync_queue(&QueueState::new(["b"], Vec::<String>::new()))
        .await
        .unwrap();
    assert_eq!(taken.ack().await.unwrap_err().kind(), &ErrorKind::Fenced);
    assert_eq!(one.get_queue().await.unwrap().pending, ["b"]);
}

#[tokio::test]
async fn assignments_are_set_all_or_none() {
    let (_cluster, [one, other, third]) = fleet().await;
    register(&one, 2).await;
    register(&other, 1).await;
    let synced = third
        .sync_assignments([("worker-1", vec!["a", "b"]), ("worker-2", vec!["c"])])
        .await
        .unwrap();
    assert_eq!((synced.assigned, synced.moved), (3, 0));
    let refused = third
        .sync_assignments([("worker-1", vec!["a"]), ("worker-2", vec!["b", "c"])])
        .await
        .unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::NoCapacity { limit: 1, value: 2 }),
        "{refused:?}"
    );
    let snapshot = third.get_assignments().await.unwrap();
    assert_eq!(snapshot.by_worker()["worker-1"], ["a", "b"]);
    let late = third
        .sync_assignments([("worker-1", ["a"])])
        .expected_revision(snapshot.revision - 1)
        .await
        .unwrap_err();
    assert_eq!(late.kind(), &ErrorKind::Conflict);
    // Those who subscribe find the map where the users look for it.
    let map = third.read::<BTreeMap<String, Vec<String>>>(third.key("coordination/assignments"));
    assert_eq!(
        map.consistency(Consistency::Strong).await.unwrap().unwrap()["worker-2"],
        ["c"]
    );
}

#[tokio::test]
async fn metrics_of_all_workers_come_together() {
    let (_cluster, memories) = fleet().await;
    for memory in &memories {
        memory
            .sync_metrics(&json!({"last": memory.worker_id()}))
            .add("completed", 5)
            .await
            .unwrap();
        memory.force_sync().await.unwrap();
        hand_over(memory, &memories[0]);
    }
    let shared = memories[0].get_shared_metrics().await.unwrap();
    assert_eq!(shared.counters["completed"], 15);
    assert!(shared.fields.contains_key("last"));
}
