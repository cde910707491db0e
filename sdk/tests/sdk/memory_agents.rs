//! What agents tell each other, and what becomes of it when they tell it at the same time.

use quorate::{ConflictEntry, ErrorKind, Memory, MemoryEvent, Outcome, Resolution, resolvers};
use serde_json::{Value, json};

use crate::fake::FakeCluster;
use crate::memory::memory_of;

/// Two memories that have not seen each other's writes, at one member.
async fn two(cluster: &FakeCluster, resolver: fn(&[ConflictEntry]) -> Resolution) -> (Memory, Memory) {
    let memory = async |worker: &str| {
        let builder = Memory::builder().client(cluster.client().await).worker_id(worker);
        builder.conflict_resolver(resolver).connect().await.unwrap()
    };
    (memory("worker-1").await, memory("worker-2").await)
}

#[tokio::test]
async fn what_an_agent_tells_replaces_what_it_told_before() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    for phase in ["plan", "build", "test"] {
        memory
            .sync_agent_coordination("t", "coder", &json!({"phase": phase}))
            .await
            .unwrap();
    }
    let read = memory
        .get_agent_coordination::<Value>("t", "coder")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.into_value(), json!({"phase": "test"}));
    assert_eq!(memory.get_metrics().conflicts, 0);
}

#[tokio::test]
async fn what_two_told_at_the_same_time_is_made_one_and_written_back() {
    let cluster = FakeCluster::start(1).await;
    let (one, other) = two(&cluster, resolvers::merge_arrays).await;
    one.sync_agent_coordination("t", "coder", &["a.rs"]).await.unwrap();
    other.sync_agent_coordination("t", "coder", &["b.rs"]).await.unwrap();
    let mut events = one.events();
    let read = one
        .get_agent_coordination::<Vec<String>>("t", "coder")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.into_value(), ["a.rs", "b.rs"]);
    match events.next().await {
        Some(MemoryEvent::ConflictResolved {
            key,
            resolution,
            entries,
        }) => {
            assert_eq!((key.as_str(), entries), ("task-sentinel/tasks/t/agents/coder", 2));
            assert_eq!(resolution.strategy, "merge_arrays");
        }
        event => panic!("{event:?}"),
    }
    // It is one value from now on, for everybody.
    let read = other
        .get_agent_coordination::<Vec<String>>("t", "coder")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.into_value(), ["a.rs", "b.rs"]);
    assert_eq!((one.get_metrics().conflicts, other.get_metrics().conflicts), (1, 0));
}

#[tokio::test]
async fn all_agents_of_a_task_are_read_together_conflicts_resolved() {
    let cluster = FakeCluster::start(1).await;
    let (one, other) = two(&cluster, resolvers::max_value).await;
    one.sync_agent_coordination("t", "coder", &3).await.unwrap();
    other.sync_agent_coordination("t", "coder", &5).await.unwrap();
    one.sync_agent_coordination("t", "tester", &1).await.unwrap();
    one.sync_agent_coordination("u", "coder", &9).await.unwrap();
    let agents = one.get_task_agents::<u8>("t").await.unwrap();
    assert_eq!(
        agents.into_iter().collect::<Vec<_>>(),
        [("coder".to_owned(), 5), ("tester".to_owned(), 1)]
    );
}

#[tokio::test]
async fn a_resolver_that_panics_is_named_and_the_memory_goes_on() {
    let cluster = FakeCluster::start(1).await;
    let (one, other) = two(&cluster, |_| panic!("out of ideas")).await;
    one.sync_agent_coordination("t", "coder", &1).await.unwrap();
    other.sync_agent_coordination("t", "coder", &2).await.unwrap();
    for _ in 0..2 {
        let error = one.get_agent_coordination::<u8>("t", "coder").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "conflict_resolver"));
        assert_eq!(error.outcome(), Outcome::NotAMutation);
        let wanted = "task-sentinel/tasks/t/agents/coder: the conflict resolver panicked: out of ideas";
        assert_eq!(error.message(), wanted);
    }
    // What could not be resolved is still there, for one who can.
    let (able, _) = two(&cluster, resolvers::max_value).await;
    assert_eq!(
        able.get_agent_coordination::<u8>("t", "coder")
            .await
            .unwrap()
            .unwrap()
            .value,
        2
    );
    one.write("plan", &1).await.unwrap();
}

#[tokio::test]
async fn entries_of_a_program_are_resolved_without_a_call() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let entries = [
        ConflictEntry::new("old").unwrap().written_at(1),
        ConflictEntry::new("new").unwrap().written_at(2),
    ];
    let resolution = memory.resolve_conflict(entries).unwrap();
    assert_eq!(
        (resolution.resolved, resolution.strategy.as_str()),
        (json!("new"), "last_write_wins")
    );
    assert_eq!(resolution.discarded, ["old"]);
    assert_eq!(memory.get_metrics().conflicts, 1);
    assert_eq!(
        (cluster.members[0].calls(), cluster.members[0].eventual_traffic().1),
        (0, 0)
    );
}

#[tokio::test]
async fn what_was_read_with_all_others_is_replaced_by_what_is_written_next() {
    let cluster = FakeCluster::start(1).await;
    let (one, other) = two(&cluster, resolvers::max_value).await;
    one.sync_agent_coordination("t", "coder", &5).await.unwrap();
    assert_eq!(other.get_task_agents::<u8>("t").await.unwrap()["coder"], 5);
    other.sync_agent_coordination("t", "coder", &1).await.unwrap();
    assert_eq!(other.get_task_agents::<u8>("t").await.unwrap()["coder"], 1);
    assert_eq!(other.get_metrics().conflicts, 0);
}
