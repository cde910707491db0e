//! What a fleet is promised, a test for each promise: every call of [`quorate::Memory`], in the order of its guide, and
//! then what they rest on, from vector clocks to snapshots. Each would fail without what it names. The edges are in
//! `memory`, and in the modules of the single subjects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{join, join_all, try_join_all};
use quorate::{
    CachePolicy, CacheSettings, ClockOrder, ConflictEntry, Consistency, ErrorKind, Keys, MemoryChange, QueueConfig,
    Resolution, Tier, VectorClock, resolvers,
};
use quorate_tests::cluster::Cluster;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::examples;
use crate::fleet::*;

/// `sync_task_state`: strong, from an expected revision, under the lock of the task.
#[tokio::test]
async fn a_task_state_is_written_under_a_lock_and_from_a_revision() {
    let (_cluster, [one, other, _]) = fleet().await;
    let held = lock(&one, "t").await.unwrap();
    let first = one.sync_task_state("t", "first").expected_revision(0).fence(&held);
    first.await.unwrap();
    let late = other.sync_task_state("t", "late").expected_revision(0).await;
    assert_eq!(refusal(late), ErrorKind::Conflict);
    one.release_task_lock("t").await.unwrap();
    let late = one.sync_task_state("t", "late").fence(&held).await;
    assert_eq!(refusal(late), ErrorKind::Fenced);
    assert_eq!(state(&one, "t").await, "first");
}

/// `get_task_state`: at the level of the call, and then from the cache.
#[tokio::test]
async fn a_task_state_is_read_at_every_level_and_then_from_the_cache() {
    let (cluster, [one, ..]) = fleet().await;
    let written = one.sync_task_state("t", "running").await.unwrap().revision;
    let reader = with_cache(&cluster).await;
    hand_over(&one, &reader);
    let bounded = Consistency::BoundedStale(Duration::from_secs(1));
    for level in [Consistency::Strong, bounded, Consistency::Local] {
        let read = reader.get_task_state::<String>("t").consistency(level);
        assert_eq!(read.await.unwrap().unwrap().revision, written, "{level:?}");
    }
    until_cached(&reader, "t").await;
}

/// `sync_task_progress`: eventual, reported often and written seldom.
#[tokio::test]
async fn progress_is_reported_often_and_written_seldom() {
    let (_cluster, [one, other, _]) = fleet().await;
    for percent in 0..=100 {
        one.sync_task_progress("t", percent, "running").await.unwrap();
    }
    let written = one.force_sync().await.unwrap();
    assert!(written < 50, "101 reports are far fewer writes: {written}");
    hand_over(&one, &other);
    assert_eq!(other.get_task_progress("t").await.unwrap().unwrap().percent, 100);
}

/// `acquire_task_lock`: a guard with its fencing token for one, none for everybody else.
#[tokio::test]
async fn of_all_who_want_a_lock_one_gets_it_with_a_token_greater_than_all_before() {
    let (_cluster, memories) = fleet().await;
    let mut token = 0;
    for _ in 0..3 {
        let wanted = join_all(memories.iter().map(|memory| lock(memory, "t")));
        let mut held: Vec<_> = wanted.await.into_iter().flatten().collect();
        let held = held.pop().filter(|_| held.is_empty()).expect("one has it");
        assert!(held.token() > token && held.deadline() > tokio::time::Instant::now());
        token = held.token();
        held.release().await.unwrap();
    }
}

/// `release_task_lock`: by its holder only.
#[tokio::test]
async fn a_lock_is_released_by_its_holder_and_by_nobody_else() {
    let (_cluster, [one, other, _]) = fleet().await;
    // Dropping what says that it is held does not release it.
    assert!(lock(&one, "t").await.is_some());
    assert_eq!(refusal(other.release_task_lock("t").await), ErrorKind::Fenced);
    assert!(lock(&other, "t").await.is_none());
    one.release_task_lock("t").await.unwrap();
    assert!(lock(&other, "t").await.is_some());
    assert_eq!(refusal(one.release_task_lock("t").await), ErrorKind::Fenced);
}

/// `sync_worker_status`: the first one registers the worker, and the status goes with it.
#[tokio::test]
async fn a_status_registers_its_worker_and_is_written_for_registered_ones_only() {
    let (_cluster, [one, other, _]) = fleet().await;
    let unknown = other.sync_worker_status("worker-1", "busy").await;
    assert_eq!(refusal(unknown), ErrorKind::UnknownWorker);
    register(&one, 5).await;
    let status = || strongly::<Value>(&other, "task-sentinel/workers/worker-1/status");
    assert_eq!(status().await, Some(json!({"state": "active", "capacity": 5})));
    one.shutdown().await.unwrap();
    assert_eq!(status().await, None);
}

/// `sync_worker_capacity`: strong, and checked by assignments.
#[tokio::test]
async fn a_capacity_is_kept_to_by_assignments() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    let two = || other.sync_assignments([("worker-1", ["a", "b"])]).into_future();
    assert_eq!(refusal(two().await), ErrorKind::NoCapacity { limit: 1, value: 2 });
    other.sync_worker_capacity("worker-1", 2).await.unwrap();
    let capacity = strongly::<u32>(&one, one.key("workers/worker-1/capacity")).await;
    assert_eq!(capacity, Some(2));
    assert_eq!(two().await.unwrap().assigned, 2);
}

/// `update_heartbeat`: made by itself at every interval, and it keeps the session.
#[tokio::test]
async fn heartbeats_are_made_by_themselves_and_keep_the_worker_alive() {
    let (_cluster, [one, other, _]) = fleet().await;
    one.update_heartbeat().await.unwrap();
    let registered = one.worker().await.unwrap().registered_revision();
    // Longer than its session would live without them.
    until(true, async || beats(&other, "worker-1").await >= 10).await;
    let record = other.client().worker("worker-1").await.unwrap().unwrap();
    assert_eq!(record.registered_revision, registered, "it never had to register again");
}

/// `get_active_workers`: those whose sessions live.
#[tokio::test]
async fn a_worker_is_active_from_its_registration_until_it_leaves() {
    let (_cluster, [one, other, third]) = fleet().await;
    assert!(active(&third).await.is_empty());
    register(&one, 1).await;
    register(&other, 1).await;
    assert_eq!(active(&third).await, ["worker-1", "worker-2"]);
    one.shutdown().await.unwrap();
    assert_eq!(active(&third).await, ["worker-2"]);
}

/// `sync_agent_coordination`: eventual, and nothing that was told at the same time is lost.
#[tokio::test]
async fn what_agents_tell_at_the_same_time_is_all_kept() {
    let (_cluster, [one, other, third]) = fleet().await;
    disagree([&one, &other], "t", [json!({"files": 3}), json!({"tests": 7})], &third).await;
    assert_eq!(values(&third, "t").await, 2);
    // What was written by one that had seen the other stands alone.
    one.sync_agent_coordination("u", "coder", &1).await.unwrap();
    one.sync_agent_coordination("u", "coder", &2).await.unwrap();
    assert_eq!(values(&one, "u").await, 1);
}

/// `get_agent_coordination`: one value, made of all.
#[tokio::test]
async fn what_an_agent_tells_is_read_as_one_value_made_of_all() {
    let (_cluster, [one, other, third]) = fleet().await;
    disagree([&one, &other], "t", [json!({"files": 3}), json!({"tests": 7})], &third).await;
    assert_eq!(told(&third, "t").await, json!({"files": 3, "tests": 7}));
    assert_eq!(values(&third, "t").await, 1);
}

/// `get_task_agents`: what all agents of a task tell.
#[tokio::test]
async fn the_agents_of_a_task_are_read_together() {
    let (_cluster, [one, other, _]) = fleet().await;
    for (task, agent, number) in [("t", "coder", 1), ("t", "tester", 2), ("u", "coder", 3)] {
        one.sync_agent_coordination(task, agent, &number).await.unwrap();
    }
    hand_over(&one, &other);
    let agents = other.get_task_agents::<u8>("t").await.unwrap();
    assert_eq!(agents, BTreeMap::from([("coder".into(), 1), ("tester".into(), 2)]));
}

/// `sync_queue`: makes the queue what the lists say, in one step and from what was read.
#[tokio::test]
async fn a_queue_becomes_what_its_lists_say_unless_it_changed_since_they_were_read() {
    let (_cluster, [one, other, _]) = fleet().await;
    set_queue(&one, &["a", "b"], &["c"]).await;
    let late = one.get_queue().await.unwrap();
    set_queue(&other, &["b", "d"], &["a"]).await;
    assert_eq!(refusal(one.sync_queue(&late).await), ErrorKind::Conflict);
    let queue = one.get_queue().await.unwrap();
    assert_eq!([queue.pending, queue.processing], [vec!["b", "d"], vec!["a"]]);
}

/// `get_queue`: what waits and what is worked on, with depths.
#[tokio::test]
async fn the_queue_is_read_as_lists_with_depths() {
    let (_cluster, [one, other, _]) = fleet().await;
    set_queue(&one, &["a", "b"], &[]).await;
    let claimed = other.queue().claim(1).await.unwrap();
    let queue = one.get_queue().await.unwrap();
    assert_eq!([queue.pending, queue.processing], [["b"], ["a"]], "{claimed:?}");
    assert_eq!((queue.ready, queue.claimed, queue.delayed, queue.dead), (1, 1, 0, 0));
}

/// `sync_assignments`: all or none, with capacities checked.
#[tokio::test]
async fn assignments_are_set_all_or_none() {
    let (_cluster, [one, other, third]) = fleet().await;
    register(&one, 2).await;
    register(&other, 1).await;
    let assign = |one, other| third.sync_assignments([("worker-1", one), ("worker-2", other)]);
    assign(vec!["a", "b"], vec!["c"]).await.unwrap();
    let refused = assign(vec!["a"], vec!["b", "c"]).await;
    assert_eq!(refusal(refused), ErrorKind::NoCapacity { limit: 1, value: 2 });
    let assigned = third.get_assignments().await.unwrap();
    assert_eq!(assigned.by_worker()["worker-1"], ["a", "b"]);
}

/// `sync_metrics`: eventual, counters of all and the last of each field.
#[tokio::test]
async fn metrics_of_all_workers_come_together() {
    let (_cluster, memories) = fleet().await;
    for memory in &memories {
        memory.sync_metrics(&json!({"last": "nobody"})).await.unwrap();
        let metrics = json!({"last": memory.worker_id()});
        memory.sync_metrics(&metrics).add("completed", 5).await.unwrap();
        memory.force_sync().await.unwrap();
        hand_over(memory, &memories[0]);
    }
    let shared = memories[0].get_shared_metrics().await.unwrap();
    assert_eq!(shared.counters["completed"], 15);
    assert!(shared.fields["last"].as_str().unwrap().starts_with("worker-"));
}

/// `read`, `write`, `delete` and `search_keys`: any key, in its tier, with tags and a time to live.
#[tokio::test]
async fn any_key_is_written_read_found_and_deleted_in_its_tier() {
    let (_cluster, [one, other, _]) = fleet().await;
    let [agent, progress, state] = ["agents/a", "progress", "state"].map(|what| one.key(format!("tasks/t/{what}")));
    one.write(&agent, "coding").await.unwrap();
    one.write(&progress, "half").await.unwrap();
    one.write(&state, "running").tags(["urgent"]).await.unwrap();
    one.write("short", "1").ttl(Duration::from_millis(300)).await.unwrap();
    let read = other.read::<String>(&state).consistency(Consistency::Strong);
    let read = read.await.unwrap().unwrap();
    assert_eq!((read.as_str(), read.tags.concat()), ("running", "urgent".into()));
    let strong = other.read::<String>(&progress).consistency(Consistency::Strong);
    assert_eq!(refusal(strong.await), ErrorKind::TierMismatch);
    let tiers = [Tier::Eventual, Tier::Eventual, Tier::Strong];
    let all: Vec<_> = [agent, progress, state].into_iter().zip(tiers).collect();
    assert_eq!(found(&one, "task-sentinel/*").await, all);
    for (key, _) in all {
        assert!(one.delete(&key).await.unwrap(), "{key} was there");
        assert!(!one.delete(&key).await.unwrap(), "{key} is gone");
    }
    until(None, || strongly::<String>(&other, "short")).await;
}

/// `subscribe` and `unsubscribe`: what others change, in both tiers, until it is ended by its id.
#[tokio::test]
async fn a_subscription_tells_what_others_change_in_both_tiers_until_it_is_ended() {
    let (_cluster, [one, other, _]) = fleet().await;
    let (callback, changes) = collecting::<MemoryChange>();
    let id = one.subscribe("task-sentinel/*").on_change(callback).await.unwrap();
    other.sync_task_state("t", "running").await.unwrap();
    other.sync_metrics(&json!({"depth": 4})).await.unwrap();
    other.write(one.key("tasks/t/progress"), &4).await.unwrap();
    other.delete(other.key("tasks/t/state")).await.unwrap();
    until_told(&changes, "tasks/t/state", Some(json!("running"))).await;
    until_told(&changes, "tasks/t/state", None).await;
    until_told(&changes, "coordination/metrics", Some(json!({"depth": 4}))).await;
    until_told(&changes, "tasks/t/progress", Some(json!(4))).await;
    assert!(one.unsubscribe(id) && !one.unsubscribe(id));
    assert_eq!(one.get_metrics().subscriptions, 0);
}

/// `resolve_conflict`: what it became, how, and what was discarded.
#[tokio::test]
async fn a_conflict_that_a_program_brings_is_resolved() {
    let (_cluster, [one, ..]) = fleet().await;
    let entry = |value: Value, seen: u64| {
        let clock = VectorClock::from_iter([("worker-1", seen)]);
        ConflictEntry::new(&value).unwrap().clock(clock)
    };
    let entries = [entry(json!({"new": 2}), 2), entry(json!({"seen": 1}), 1)];
    let resolution = one.resolve_conflict(entries).unwrap();
    assert_eq!(resolution.resolved, json!({"new": 2}));
    assert_eq!(resolution.strategy, "merge_objects");
    assert_eq!(resolution.discarded, [json!({"seen": 1})]);
}

/// `get_metrics`: what was done, and what is held.
#[tokio::test]
async fn metrics_count_what_was_done_and_what_is_held() {
    let (cluster, _) = fleet().await;
    let memory = with_cache(&cluster).await;
    let written = memory.write("k", &1).await.unwrap();
    memory.read::<u8>("k").await.unwrap();
    report(&memory, 1).await;
    memory.force_sync().await.unwrap();
    assert!(lock(&memory, "t").await.is_some());
    let metrics = memory.get_metrics();
    assert_eq!((metrics.reads, metrics.writes, metrics.pending_writes), (1, 2, 0));
    assert_eq!((metrics.locks.acquired, metrics.locks.held), (1, 1));
    assert_eq!((metrics.cache.misses, metrics.cache.max), (1, 1_000));
    assert!(metrics.syncs >= 1 && metrics.clock.revision >= written.revision && metrics.clock.marks >= 1);
}

/// `clear_cache`, and `invalidate_pattern`: whole or in part.
#[tokio::test]
async fn the_cache_is_cleared_whole_or_by_pattern() {
    let (cluster, [one, ..]) = fleet().await;
    let reader = with_cache(&cluster).await;
    cached(&one, &reader, ["a", "b", "c"]).await;
    assert_eq!(reader.invalidate_pattern("task-sentinel/tasks/a/*").await.unwrap(), 1);
    assert_eq!(reader.clear_cache().unwrap(), 2);
    assert_eq!(reader.get_metrics().cache.size, 0);
}

/// `force_sync`: returns when everything accepted is acknowledged.
#[tokio::test]
async fn a_forced_sync_returns_when_everything_accepted_is_acknowledged() {
    let (_cluster, [one, other, _]) = fleet().await;
    report(&one, 500).await;
    one.force_sync().await.unwrap();
    assert_eq!(one.get_metrics().pending_writes, 0);
    hand_over(&one, &other);
    assert_eq!(reported(&other).await, 500);
}

/// `shutdown`: flushes, releases and deregisters; nothing accepted is lost.
#[tokio::test]
async fn a_shutdown_loses_nothing_holds_nothing_and_answers_nothing() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    assert!(lock(&one, "t").await.is_some());
    report(&one, 500).await;
    one.shutdown().await.unwrap();
    hand_over(&one, &other);
    assert_eq!(reported(&other).await, 500);
    assert!(lock(&other, "t").await.is_some());
    assert_eq!(other.client().worker("worker-1").await.unwrap(), None);
    assert_eq!(refusal(one.write("k", &1).await), ErrorKind::Closed);
}

/// Vector clocks: a program's own are incremented, compared and merged, and the store's is handed on as a word.
#[tokio::test]
async fn a_clock_is_before_after_equal_or_concurrent() {
    let (_cluster, [one, other, _]) = fleet().await;
    let (mut first, mut second) = (VectorClock::new(), VectorClock::new());
    assert_eq!(first.compare(&second), ClockOrder::Equal);
    first.increment(one.worker_id());
    assert_eq!(first.compare(&second), ClockOrder::After);
    second.increment(other.worker_id());
    assert_eq!(first.compare(&second), ClockOrder::Concurrent);
    second.merge(&first);
    assert_eq!(first.compare(&second), ClockOrder::Before);
    report(&one, 1).await;
    one.force_sync().await.unwrap();
    hand_over(&one, &other);
    assert_eq!(reported(&other).await, 1);
}

/// Resolvers: the last write, a union of arrays, objects merged deeply, the greatest number, one of one's own; counted.
#[tokio::test]
async fn every_resolver_makes_one_value_of_two() {
    let (cluster, [one, other, _]) = fleet().await;
    let writers = (&cluster, [&one, &other]);
    let last = resolved(writers, resolvers::last_write_wins, ["older".into(), "newer".into()]).await;
    let lists = [json!(["a", "b"]), json!(["b", "c"])];
    let union = resolved(writers, resolvers::merge_arrays, lists).await;
    let objects = [json!({"a": {"x": 1}}), json!({"a": {"y": 2}})];
    let merged = resolved(writers, resolvers::merge_objects, objects).await;
    let greatest = resolved(writers, resolvers::max_value, [7.into(), 3.into()]).await;
    let own = |entries: &[ConflictEntry]| Resolution::new(entries.len(), "how many");
    let own = resolved(writers, own, ["yes".into(), "no".into()]).await;
    assert_eq!([last, greatest, own], ["newer".into(), json!(7), json!(2)]);
    assert_eq!(union, json!(["a", "b", "c"]));
    assert_eq!(merged, json!({"a": {"x": 1, "y": 2}}));
}

/// The cache: read through, least recently used out first, a time to live, told of writes, dropped by pattern, counted.
#[tokio::test]
async fn a_cache_keeps_what_is_used_and_hears_of_what_is_written() {
    let (cluster, [one, ..]) = fleet().await;
    let lru = CacheSettings::new().entries_max(2).policy(CachePolicy::Lru);
    let reader = with_cache_of(&cluster, lru).await;
    let cache = reader.cache().unwrap();
    one.sync_task_state("c", &1).await.unwrap();
    cached(&one, &reader, ["a", "b"]).await;
    let keys = ["a", "b", "c"].map(|task| one.key(format!("tasks/{task}/state")));
    for _ in 0..100 {
        cache.get_local("", &keys[0]);
    }
    cache.warm_up([&keys[2]]).await.unwrap();
    until(["1", "", "1"], async || held(&cache, &keys)).await;
    one.sync_task_state("a", &2).await.unwrap();
    until(["2", "", "1"], async || held(&cache, &keys)).await;
    assert_eq!(reader.invalidate_pattern(&keys[2]).await.unwrap(), 1);
    assert_eq!(reader.clear_cache().unwrap(), 1);
    assert_eq!(held(&cache, &keys), [""; 3]);
    let stats = cache.stats();
    assert_eq!((stats.changes, stats.invalidations), (1, 2));
    assert!(stats.hits > 100 && stats.misses.absent > 0, "{stats:?}");
    let short = CacheSettings::new().ttl(Duration::from_secs(1));
    let reader = with_cache_of(&cluster, short).await;
    until_cached(&reader, "a").await;
    until(true, async || reader.cache().unwrap().stats().expirations > 0).await;
}

/// Batches: sent after their interval or when forced, with 10 to 50 times fewer calls than writes.
#[tokio::test]
async fn many_writes_are_few_calls_when_it_is_time_or_when_forced() {
    let (cluster, [_, other, _]) = fleet().await;
    let seldom = with_batch_interval(&cluster, Duration::from_secs(60)).await;
    report(&seldom, 500).await;
    assert_eq!(seldom.get_metrics().pending_writes, 500);
    assert_eq!(seldom.force_sync().await.unwrap(), 500);
    let calls = seldom.client().stats().calls;
    assert!(calls <= 10, "{calls} calls");
    let often = with_batch_interval(&cluster, Duration::from_millis(20)).await;
    report(&often, 600).await;
    until(0, async || often.get_metrics().pending_writes).await;
    hand_over(&often, &other);
    assert_eq!(reported(&other).await, 600);
}

/// Subscriptions: by pattern, with callbacks for changes and for invalidations, made and ended at any time.
#[tokio::test]
async fn subscriptions_come_and_go_and_each_tells_of_its_own_pattern() {
    let (cluster, [one, ..]) = fleet().await;
    let reader = with_cache(&cluster).await;
    let (on_change, changes) = collecting::<MemoryChange>();
    let (on_invalidate, dropped) = collecting::<str>();
    let states = reader.subscribe("task-sentinel/tasks/*/state").on_change(on_change);
    let states = states.on_invalidate(on_invalidate).await.unwrap();
    cached(&one, &reader, ["t"]).await;
    one.write(one.key("plan"), "elsewhere").await.unwrap();
    one.sync_task_state("t", "running").await.unwrap();
    until_told(&changes, "tasks/t/state", Some(json!("running"))).await;
    until([one.key("tasks/t/state")], async || dropped.lock().clone()).await;
    let (on_change, later) = collecting::<MemoryChange>();
    reader.subscribe("task-sentinel/*").on_change(on_change).await.unwrap();
    assert!(reader.unsubscribe(states));
    one.sync_task_state("t", "completed").await.unwrap();
    until_told(&later, "tasks/t/state", Some(json!("completed"))).await;
    assert_eq!(changes.lock().len(), 2);
}

/// Locks: a time to live, cleaned up after the dead, no circle of those who wait, and contention counted.
#[tokio::test]
async fn a_lock_whose_holder_died_is_free_after_its_time_and_nobody_waits_in_a_circle() {
    let (_cluster, [one, other, _]) = fleet().await;
    let short = Duration::from_secs(2);
    assert!(one.acquire_task_lock("t", short).await.unwrap().is_some());
    assert!(lock(&other, "t").await.is_none());
    assert_eq!(other.get_metrics().locks.contended, 1);
    dies(&one).await;
    until(true, async || lock(&other, "t").await.is_some()).await;
    let crossing = (0..20).map(async |turn| {
        let names = [["a", "b"], ["b", "a"]][turn % 2];
        other.client().locks(names).acquire().await?.release().await
    });
    let crossed = timeout(PATIENCE, try_join_all(crossing)).await;
    crossed.expect("each gets both").unwrap();
}

/// Events: `write`, `conflict-resolved` and `batch-flushed`.
#[tokio::test]
async fn writes_flushes_and_conflicts_are_told_as_they_happen() {
    let (_cluster, [one, other, third]) = fleet().await;
    let events = third.events();
    third.write("k", &1).await.unwrap();
    report(&third, 1).await;
    third.force_sync().await.unwrap();
    disagree([&one, &other], "t", [json!({"files": 3}), json!({"tests": 7})], &third).await;
    assert_eq!(told(&third, "t").await, json!({"files": 3, "tests": 7}));
    let names = events.stream().take(4).map(|event| event.name());
    let names: Vec<_> = timeout(PATIENCE, names.collect()).await.unwrap();
    assert_eq!(names, ["write", "write", "batch-flushed", "conflict-resolved"]);
}

/// Heartbeats: a worker that makes none any more is noticed, and its tasks wait for another one.
#[tokio::test]
async fn a_dead_worker_is_noticed_and_leaves_its_tasks() {
    let (_cluster, [one, other, _]) = fleet().await;
    register(&one, 1).await;
    register(&other, 1).await;
    other.sync_assignments([("worker-1", ["a"])]).await.unwrap();
    dies(&one).await;
    until(["worker-2"], || active(&other)).await;
    let status = strongly::<Value>(&other, one.key("workers/worker-1/status")).await;
    let waiting = other.get_assignments().await.unwrap().pending().count();
    assert_eq!((status, waiting), (None, 1));
}

/// The queue: enqueued, dequeued and completed by all at once, and each item is done once.
#[tokio::test]
async fn a_queue_that_all_fill_and_empty_at_once_loses_nothing() {
    let (_cluster, memories) = fleet().await;
    memories[0].queue().create(QueueConfig::default()).await.unwrap();
    let done = try_join_all(memories.iter().map(fill_and_empty)).await;
    let done = done.unwrap().concat();
    assert_eq!((done.len(), BTreeSet::from_iter(done).len()), (30, 30));
    let queue = memories[0].get_queue().await.unwrap();
    assert_eq!((queue.ready, queue.claimed, queue.dead), (0, 0, 0));
}

/// The life of a worker: it comes, warms its cache up, takes a task, executes it under its lock, tells of it, and goes.
#[tokio::test]
async fn a_worker_comes_does_its_task_and_goes() {
    let (cluster, [one, ..]) = fleet().await;
    one.sync_task_state("t", "ready").await.unwrap();
    set_queue(&one, &["t"], &[]).await;
    let worker = with_cache(&cluster).await;
    register(&worker, 1).await;
    let states = Keys::pattern(worker.key("tasks/*/state"));
    let warmed = worker.cache().unwrap().warm_up([states]).await.unwrap();
    assert!(warmed.is_settled && worker.get_metrics().cache.size == 1);
    let task = worker.queue().claim(1).await.unwrap().pop().unwrap();
    let held = lock(&worker, "t").await.unwrap();
    worker.sync_agent_coordination("t", "coder", "done").await.unwrap();
    worker.sync_task_state("t", "completed").fence(&held).await.unwrap();
    task.ack().await.unwrap();
    hand_over(&worker, &one);
    worker.shutdown().await.unwrap();
    assert_eq!(told(&one, "t").await, json!("done"));
    assert_eq!(state(&one, "t").await, "completed");
    assert!(lock(&one, "t").await.is_some() && active(&one).await.is_empty());
}

/// Retries with back-off, and a circuit breaker: a member that is away is seldom tried, and a write waits for it.
#[tokio::test]
async fn a_member_that_is_away_is_left_alone_and_a_write_waits_for_it() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let memory = patient(&cluster).await;
    let client = memory.client();
    client.get("k").await.unwrap();
    cluster.kill9(1).unwrap();
    let calls = (0..50).map(|_| client.get("k").timeout(Duration::from_secs(1)).into_future());
    let address = cluster.member(1).unwrap().client_address();
    let (knocks, ended) = knocks(address, join_all(calls)).await;
    assert!(ended.iter().all(|ended| ended.is_err()));
    let retries = client.stats().retries;
    assert!(knocks * 5 < retries, "{knocks} connections for {retries} retries");
    let writing = memory.write("k", &1).into_future();
    let (written, restarted) = join(writing, async { cluster.restart(1) }).await;
    restarted.unwrap();
    written.unwrap();
}

/// Monitoring: every member says over HTTP what the fleet does.
#[tokio::test]
async fn what_a_fleet_does_is_on_the_page_of_every_member() {
    let (cluster, [one, ..]) = fleet().await;
    register(&one, 1).await;
    set_queue(&one, &["a", "b"], &["c"]).await;
    for id in cluster.ids() {
        until([1.0, 2.0, 1.0].map(Some), || shown(&cluster, id)).await;
    }
}

/// Seven examples: workers, execution under locks, agents, a queue, conflicts, monitoring, batches.
#[tokio::test]
async fn seven_examples_run_to_their_end_against_three_members() {
    let cluster = Cluster::start(3).await.unwrap();
    examples::run_all(&cluster, &examples::OF_A_FLEET).await;
}

/// Optimistic locking, values that merge by themselves, and consistency by the call.
#[tokio::test]
async fn a_swap_compares_a_counter_counts_for_all_and_a_call_says_its_level() {
    let (_cluster, [one, other, _]) = fleet().await;
    let written = one.client().put("k", "1").await.unwrap().revision;
    for (memory, swapped) in [(&one, true), (&other, false)] {
        let reply = memory.client().compare_and_swap("k", written, "2").await;
        assert_eq!(reply.unwrap().swapped, swapped);
        let counter = memory.client().eventual().counter("c");
        counter.add(2).acks(3).await.unwrap();
    }
    assert_eq!(other.client().eventual().counter("c").get().await.unwrap(), 4);
    let bounded = Consistency::BoundedStale(Duration::from_secs(5));
    for level in [Consistency::Strong, bounded, Consistency::Local] {
        let read = other.client().get("k").consistency(level).await.unwrap();
        assert_eq!((read.level, read.record.unwrap().value), (level, "2".into()));
    }
}

/// Snapshots and historical reads: what was is read at its revision, and comes back from what was saved.
#[tokio::test]
async fn what_was_is_read_at_its_revision_and_restored_from_a_snapshot() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let memory = with_cache(&cluster).await;
    let before = memory.write("k", &1).await.unwrap().revision;
    let directory = tempfile::tempdir().unwrap();
    save(&cluster, &memory, directory.path()).await;
    memory.write("k", &2).await.unwrap();
    let past = memory.client().get("k").at_revision(before).await.unwrap();
    assert_eq!(past.record.unwrap().value, "1");
    memory.shutdown().await.unwrap();
    start_from(&mut cluster, directory.path()).await;
    assert_eq!(strongly(&with_cache(&cluster).await, "k").await, Some(1));
}
