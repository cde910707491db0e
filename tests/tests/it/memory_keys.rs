//! Single keys, subscriptions, the cache and the end of what a fleet shares, against real members: the other calls of
//! [`Memory`](quorate::Memory), in the order of its guide.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use quorate::{ConflictEntry, Consistency, ErrorKind, Keys, Memory, MemoryChange, Tier};
use quorate_tests::cluster::Cluster;
use quorate_tests::wait;
use serde_json::{Value, json};

use crate::memory::{PATIENCE, TTL, fleet, hand_over, register, with_cache};

#[tokio::test]
async fn a_value_is_read_at_the_levels_of_its_tier() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.write("plan", &json!({"steps": 3})).await.unwrap();
    let read = other
        .read::<Value>("plan")
        .consistency(Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read["steps"].clone(), read.tier), (json!(3), Tier::Strong));
    let eventual = other
        .read::<Value>("plan")
        .consistency(Consistency::Eventual)
        .await
        .unwrap_err();
    assert_eq!(eventual.kind(), &ErrorKind::TierMismatch);
    let progress = one.key("tasks/t/progress");
    let strong = other
        .read::<Value>(progress)
        .consistency(Consistency::Strong)
        .await
        .unwrap_err();
    assert_eq!(strong.kind(), &ErrorKind::TierMismatch);
    assert_eq!(other.read::<u8>("plan").await.unwrap_err().kind(), &ErrorKind::Json);
}

#[tokio::test]
async fn a_value_has_tags_and_goes_when_its_time_is_over() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.write("kept", &1).tags(["urgent"]).await.unwrap();
    one.write("short", &1).ttl(Duration::from_millis(300)).await.unwrap();
    let tagged = other.client().range(Keys::all()).tag("urgent").await.unwrap();
    assert_eq!(tagged.records.len(), 1);
    assert!(tagged.records[0].expires_at_ms.is_some(), "an hour by default");
    wait::until("the short one to be gone", PATIENCE, async || {
        let read = other.read::<u8>("short").consistency(Consistency::Strong).await;
        let read = read.map_err(|error| error.to_string())?;
        read.map_or(Ok(()), |_| Err("it is there"))
            .map_err(|why: &str| why.to_owned())
    })
    .await
    .unwrap();
    assert!(
        other
            .read::<u8>("kept")
            .consistency(Consistency::Strong)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_key_is_deleted_in_the_tier_that_it_is_in() {
    let (_cluster, [one, ..]) = fleet().await;
    one.write("plan", &1).await.unwrap();
    one.sync_task_progress("t", 1, "begun").await.unwrap();
    one.sync_agent_coordination("t", "coder", &1).await.unwrap();
    for key in [
        "plan".to_owned(),
        one.key("tasks/t/progress"),
        one.key("tasks/t/agents/coder"),
    ] {
        assert!(one.delete(&key).await.unwrap(), "{key} was there");
        assert!(!one.delete(&key).await.unwrap(), "{key} is gone");
        assert!(one.read::<Value>(&key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_search_finds_keys_of_both_tiers() {
    let (_cluster, [one, ..]) = fleet().await;
    for task in ["a", "b"] {
        one.sync_task_state(task, "running").await.unwrap();
        one.sync_task_progress(task, 1, "begun").await.unwrap();
    }
    one.write("elsewhere", &1).await.unwrap();
    let found = one.search_keys("task-sentinel/*").await.unwrap();
    let tiers: Vec<(String, Tier)> = found.into_iter().map(|found| (found.key, found.tier)).collect();
    let of = |task: &str| {
        [
            (one.key(format!("tasks/{task}/progress")), Tier::Eventual),
            (one.key(format!("tasks/{task}/state")), Tier::Strong),
        ]
    };
    assert_eq!(tiers, [of("a"), of("b")].concat());
    let states = one.search_keys("task-sentinel/tasks/*/state").await.unwrap();
    assert_eq!(states.len(), 2);
    assert!(
        one.search_keys("task-sentinel/*/state").await.unwrap().is_empty(),
        "an asterisk stays in its segment"
    );
}

/// A callback that keeps what it is called with.
fn collecting() -> (
    impl FnMut(&MemoryChange) + Send + 'static,
    Arc<Mutex<Vec<MemoryChange>>>,
) {
    let changes = Arc::<Mutex<Vec<MemoryChange>>>::default();
    let collected = Arc::clone(&changes);
    (
        move |change: &MemoryChange| collected.lock().push(change.clone()),
        changes,
    )
}

async fn wait_for_change(changes: &Mutex<Vec<MemoryChange>>, what: &str, is: impl Fn(&MemoryChange) -> bool) {
    wait::until(what, PATIENCE, async || {
        let changes = changes.lock();
        changes.iter().any(&is).then_some(()).ok_or(format!("{changes:?}"))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_subscription_tells_what_others_change_in_both_tiers() {
    let (_cluster, [one, other, _]) = fleet().await;
    let (callback, changes) = collecting();
    one.subscribe("task-sentinel/*").on_change(callback).await.unwrap();
    other.sync_task_state("t", "running").await.unwrap();
    other.sync_task_progress("t", 40, "running").await.unwrap();
    other.sync_metrics(&json!({"depth": 4})).await.unwrap();
    other.force_sync().await.unwrap();
    other.delete(other.key("tasks/t/state")).await.unwrap();
    let of = |key: &'static str, value: Option<Value>| {
        move |change: &MemoryChange| change.key.ends_with(key) && change.read::<Value>().unwrap() == value
    };
    wait_for_change(&changes, "the state", of("tasks/t/state", Some(json!("running")))).await;
    wait_for_change(&changes, "its end", of("tasks/t/state", None)).await;
    wait_for_change(
        &changes,
        "metrics",
        of("coordination/metrics", Some(json!({"depth": 4}))),
    )
    .await;
    wait_for_change(&changes, "progress", |change| {
        change.tier == Tier::Eventual
            && change
                .read::<Value>()
                .unwrap()
                .is_some_and(|value| value["percent"] == 40)
    })
    .await;
}

#[tokio::test]
async fn nothing_is_told_after_a_subscription_was_ended() {
    let (_cluster, [one, other, _]) = fleet().await;
    let ((first, ended), (second, going_on)) = (collecting(), collecting());
    let id = one.subscribe("k/*").on_change(first).await.unwrap();
    one.subscribe("k/*").on_change(second).await.unwrap();
    assert_eq!(one.get_metrics().subscriptions, 2);
    assert!(one.unsubscribe(id));
    assert!(!one.unsubscribe(id));
    other.write("k/1", &1).await.unwrap();
    wait_for_change(&going_on, "the other one to be told", |change| change.key == "k/1").await;
    assert!(ended.lock().is_empty());
    assert_eq!(one.get_metrics().subscriptions, 1);
}

#[tokio::test]
async fn a_conflict_that_a_program_brings_is_resolved() {
    let (_cluster, [one, ..]) = fleet().await;
    let entry = |value: Value| ConflictEntry::new(&value).unwrap();
    let entries = [
        entry(json!({"a": 1})).written_at(1),
        entry(json!({"a": 2, "b": 3})).written_at(2),
    ];
    let resolution = one.resolve_conflict(entries).unwrap();
    assert_eq!(
        (resolution.resolved, resolution.strategy.as_str()),
        (json!({"a": 2, "b": 3}), "merge_objects")
    );
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
async fn metrics_count_what_was_done_and_what_is_held() {
    let (cluster, _) = fleet().await;
    let memory = with_cache(&cluster).await;
    let written = memory.write("k", &1).await.unwrap();
    for _ in 0..3 {
        memory.read::<u8>("k").await.unwrap();
    }
    memory.sync_task_progress("t", 1, "begun").await.unwrap();
    memory.force_sync().await.unwrap();
    let lock = memory.acquire_task_lock("t", TTL).await.unwrap();
    let metrics = memory.get_metrics();
    assert_eq!((metrics.reads, metrics.writes, metrics.pending_writes), (3, 2, 0));
    assert_eq!(
        (metrics.locks.acquired, metrics.locks.held),
        (1, u64::from(lock.is_some()))
    );
    assert_eq!(
        (metrics.cache.hits + metrics.cache.misses, metrics.cache.max),
        (3, 1_000)
    );
    assert!(metrics.syncs >= 1 && metrics.clock.revision >= written.revision && metrics.clock.marks >= 1);
}

#[tokio::test]
async fn the_cache_is_cleared_whole_or_by_pattern_and_tells_what_it_dropped() {
    let (cluster, [one, ..]) = fleet().await;
    let memory = with_cache(&cluster).await;
    for task in ["a", "b"] {
        one.sync_task_state(task, "running").await.unwrap();
    }
    let dropped = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&dropped);
    let subscription = memory.subscribe("task-sentinel/tasks/*/state");
    subscription
        .on_invalidate(move |key| told.lock().push(key.to_owned()))
        .await
        .unwrap();
    let held = async |entries: u64| {
        wait::until("the cache to hold them", PATIENCE, async || {
            for task in ["a", "b"] {
                memory
                    .get_task_state::<String>(task)
                    .await
                    .map_err(|error| error.to_string())?;
            }
            let size = memory.get_metrics().cache.size;
            (size == entries).then_some(()).ok_or(format!("it holds {size}"))
        })
        .await
        .unwrap();
    };
    held(2).await;
    assert_eq!(memory.invalidate_pattern("task-sentinel/tasks/a/*").await.unwrap(), 1);
    wait::until("the callback", PATIENCE, async || {
        let dropped = dropped.lock().clone();
        (dropped == [memory.key("tasks/a/state")])
            .then_some(())
            .ok_or(format!("{dropped:?}"))
    })
    .await
    .unwrap();
    held(2).await;
    assert_eq!(memory.clear_cache().unwrap(), 2);
    assert_eq!(memory.get_metrics().cache.size, 0);
}

#[tokio::test]
async fn a_forced_sync_returns_when_everything_accepted_is_acknowledged() {
    let (_cluster, [one, other, _]) = fleet().await;
    for task in 0..500 {
        one.sync_task_progress(&task.to_string(), 50, "half").await.unwrap();
    }
    one.force_sync().await.unwrap();
    assert_eq!(one.get_metrics().pending_writes, 0);
    hand_over(&one, &other);
    let found = other.search_keys("task-sentinel/tasks/*/progress").await.unwrap();
    assert_eq!(found.len(), 500);
}

#[tokio::test]
async fn a_shutdown_loses_nothing_holds_nothing_and_answers_nothing() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    assert!(one.acquire_task_lock("t", TTL).await.unwrap().is_some());
    for task in 0..500 {
        one.sync_task_progress(&task.to_string(), 50, "half").await.unwrap();
    }
    one.shutdown().await.unwrap();
    hand_over(&one, &other);
    let found = other.search_keys("task-sentinel/tasks/*/progress").await.unwrap();
    assert_eq!(found.len(), 500);
    assert!(other.acquire_task_lock("t", TTL).await.unwrap().is_some());
    assert!(other.client().worker("worker-1").await.unwrap().is_none());
    assert_eq!(one.write("k", &1).await.unwrap_err().kind(), &ErrorKind::Closed);
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
    let lock = memory.acquire_task_lock("t", TTL).await.unwrap().unwrap();
    let (callback, changes) = collecting();
    let states = memory.subscribe("task-sentinel/tasks/*/state").on_change(callback);
    states.await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    cluster.kill9(leader).unwrap();
    memory.sync_task_state("t", "running").fence(&lock).await.unwrap();
    memory.sync_task_progress("t", 50, "running").await.unwrap();
    memory.force_sync().await.unwrap();
    assert_eq!(
        memory.get_task_state::<String>("t").await.unwrap().unwrap().as_str(),
        "running"
    );
    assert_eq!(memory.get_task_progress("t").await.unwrap().unwrap().percent, 50);
    wait_for_change(&changes, "the state", |change| {
        change.value.as_deref() == Some(b"\"running\"")
    })
    .await;
    memory.update_heartbeat().await.unwrap();
    let record = memory.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(
        record.registered_revision, registered,
        "its session has lived through it"
    );
    memory.release_task_lock("t").await.unwrap();
    memory.shutdown().await.unwrap();
}
