//! A memory's single keys: which tier they are in, and what their calls promise.

use std::time::Duration;

use quorate::{Client, Consistency, ErrorKind, Memory, MemoryEvent, Outcome, Tier};
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use serde::{Deserialize, Serialize};

use crate::fake::FakeCluster;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    status: String,
}

fn state(status: &str) -> State {
    State {
        status: status.to_owned(),
    }
}

/// Nothing is sent because time passes.
const NEVER: Duration = Duration::from_secs(60);

pub async fn memory_of(client: &Client, worker: &str) -> Memory {
    let builder = Memory::builder().client(client.clone()).worker_id(worker);
    builder.batch_interval(NEVER).connect().await.unwrap()
}

#[tokio::test]
async fn a_state_is_a_record_under_the_prefix_that_lives_for_an_hour() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let memory = memory_of(&client, "worker-1").await;
    let written = memory.sync_task_state("task-1", &state("running")).await.unwrap();
    assert_eq!(written.tier, Tier::Strong);
    let read = memory.get_task_state::<State>("task-1").await.unwrap().unwrap();
    assert_eq!((read.status.as_str(), read.revision), ("running", written.revision));
    let record = client
        .get("task-sentinel/tasks/task-1/state")
        .await
        .unwrap()
        .record
        .unwrap();
    assert_eq!(record.value, "{\"status\":\"running\"}");
    // The fake member keeps the time to live in its place.
    assert_eq!(record.expires_at_ms, Some(3_600_000));
    assert!(memory.get_task_state::<State>("task-2").await.unwrap().is_none());
}

#[tokio::test]
async fn a_read_is_bounded_by_default_and_never_older_than_what_was_written() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let written = memory.write("plan", &1).await.unwrap();
    memory.read::<u8>("plan").await.unwrap();
    memory
        .read::<u8>("plan")
        .consistency(Consistency::Strong)
        .await
        .unwrap();
    let options: Vec<v1::ReadOptions> = cluster
        .store
        .lock()
        .requests
        .iter()
        .filter_map(|request| match request {
            Request::Get(get) => get.read,
            _ => None,
        })
        .collect();
    assert_eq!(
        (options[0].level(), options[0].max_staleness_ms),
        (v1::Level::BoundedStale, 100)
    );
    assert_eq!(options[0].min_revision, written.revision);
    assert_eq!(options[1].level(), v1::Level::Strong);
}

#[tokio::test]
async fn a_write_that_expects_another_revision_is_a_conflict_and_changes_nothing() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let first = memory.sync_task_state("t", "new").expected_revision(0).await.unwrap();
    let second = memory
        .sync_task_state("t", "run")
        .expected_revision(first.revision)
        .await
        .unwrap();
    let late = memory
        .sync_task_state("t", "late")
        .expected_revision(first.revision)
        .await;
    let error = late.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (&ErrorKind::Conflict, Outcome::NotApplied)
    );
    let found = format!(
        "was last written at revision {}, not at {}",
        second.revision, first.revision
    );
    assert!(error.message().contains(&found), "{error}");
    assert_eq!(
        memory
            .get_task_state::<String>("t")
            .await
            .unwrap()
            .unwrap()
            .into_value(),
        "run"
    );
}

#[tokio::test]
async fn a_level_of_the_other_tier_is_refused_and_nothing_is_sent() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let progress = memory.key("tasks/t/progress");
    assert_eq!(
        (memory.tier_of(&progress), memory.tier_of("plan")),
        (Tier::Eventual, Tier::Strong)
    );
    for level in [
        Consistency::Strong,
        Consistency::Local,
        Consistency::BoundedStale(Duration::from_secs(1)),
    ] {
        let error = memory.read::<u8>(&progress).consistency(level).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (&ErrorKind::TierMismatch, Outcome::NotAMutation)
        );
        assert!(
            error.message().contains("tasks/t/progress is in the eventual tier"),
            "{error}"
        );
    }
    let strong = memory
        .read::<u8>("plan")
        .consistency(Consistency::Eventual)
        .await
        .unwrap_err();
    assert_eq!(strong.kind(), &ErrorKind::TierMismatch);
    let refused = [
        memory
            .write("plan", &1)
            .consistency(Consistency::Eventual)
            .await
            .unwrap_err(),
        memory
            .write(&progress, &1)
            .consistency(Consistency::Strong)
            .await
            .unwrap_err(),
        memory.write(&progress, &1).tags(["a"]).await.unwrap_err(),
        memory.write(&progress, &1).expected_revision(0).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(
            (error.kind(), error.outcome()),
            (&ErrorKind::TierMismatch, Outcome::NotApplied)
        );
    }
    assert_eq!(
        (cluster.members[0].calls(), cluster.members[0].eventual_traffic().1),
        (0, 0)
    );
}

#[tokio::test]
async fn a_value_of_another_type_names_key_type_and_place() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.write("plan", &state("x")).await.unwrap();
    let error = memory.read::<Vec<u32>>("plan").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Json);
    let wanted = "the value of plan cannot be read as alloc::vec::Vec<u32>: at byte 0: invalid type: map";
    assert!(error.message().starts_with(wanted), "{error}");
}

#[tokio::test]
async fn a_write_has_a_time_to_live_and_tags_of_its_own() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let memory = memory_of(&client, "worker-1").await;
    memory
        .write("plan", &1)
        .ttl(Duration::ZERO)
        .tags(["urgent"])
        .await
        .unwrap();
    let record = client.get("plan").await.unwrap().record.unwrap();
    assert_eq!((record.expires_at_ms, record.tags), (None, vec!["urgent".to_owned()]));
    assert_eq!(memory.read::<u8>("plan").await.unwrap().unwrap().tags, ["urgent"]);
}

#[tokio::test]
async fn a_deletion_says_whether_the_key_was_there_in_either_tier() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.write("plan", &1).await.unwrap();
    memory.sync_task_progress("t", 5, "begun").await.unwrap();
    for key in ["plan".to_owned(), memory.key("tasks/t/progress")] {
        assert!(memory.delete(&key).await.unwrap(), "{key}");
        assert!(!memory.delete(&key).await.unwrap(), "{key}");
    }
    assert!(memory.get_task_progress("t").await.unwrap().is_none());
}

#[tokio::test]
async fn a_search_asks_both_tiers_and_says_which_one_has_a_key() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.sync_task_state("t", "running").await.unwrap();
    memory.sync_task_progress("t", 50, "half").await.unwrap();
    memory
        .sync_metrics(&serde_json::json!({"depth": 3}))
        .add("done", 1)
        .await
        .unwrap();
    let found = memory.search_keys("task-sentinel/*").await.unwrap();
    let found: Vec<(&str, Tier)> = found.iter().map(|found| (found.key.as_str(), found.tier)).collect();
    assert_eq!(
        found,
        [
            ("task-sentinel/coordination/metrics", Tier::Eventual),
            ("task-sentinel/coordination/metrics/done", Tier::Eventual),
            ("task-sentinel/tasks/t/progress", Tier::Eventual),
            ("task-sentinel/tasks/t/state", Tier::Strong),
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_no_segment_is_refused() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let refused = [
        memory.sync_task_state("a/b", "x").await.unwrap_err(),
        memory.get_task_state::<String>("").await.unwrap_err(),
        memory.sync_task_progress("*", 1, "x").await.unwrap_err(),
        memory.acquire_task_lock("a/b", NEVER).await.unwrap_err(),
    ];
    for error in refused {
        assert!(
            matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "task"),
            "{error:?}"
        );
    }
    let error = memory.sync_task_progress("t", 101, "x").await.unwrap_err();
    assert_eq!(error.message(), "percent is 101; it may be 0 to 100");
}

#[tokio::test]
async fn a_setting_out_of_its_range_is_refused_by_name() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let builder = || Memory::builder().client(client.clone()).worker_id("w");
    let refused = [
        ("worker_id", builder().worker_id("")),
        ("worker_id", builder().worker_id("a/b")),
        ("prefix", builder().prefix("x")),
        ("cache_size", builder().cache_size(0)),
        ("interval", builder().batch_interval(Duration::ZERO)),
        (
            "heartbeat_interval",
            builder().heartbeat_interval(Duration::from_millis(1)),
        ),
        ("level", builder().level(Consistency::Eventual)),
        ("endpoints", Memory::builder().worker_id("w")),
    ];
    for (name, builder) in refused {
        let error = builder.connect().await.err().unwrap();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == name),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test]
async fn writes_are_told_and_everything_is_counted() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let mut events = memory.events();
    let written = memory.write("plan", &7).await.unwrap();
    memory.sync_task_progress("t", 1, "begun").await.unwrap();
    memory.read::<u8>("plan").await.unwrap();
    match events.next().await {
        Some(MemoryEvent::Write {
            key,
            tier: Tier::Strong,
            revision,
            value,
        }) => {
            assert_eq!(
                (key.as_str(), revision, value.as_ref()),
                ("plan", Some(written.revision), &b"7"[..])
            );
        }
        other => panic!("{other:?}"),
    }
    let next = events.next().await;
    assert!(
        matches!(
            next,
            Some(MemoryEvent::Write {
                tier: Tier::Eventual,
                revision: None,
                ..
            })
        ),
        "{next:?}"
    );
    let before = memory.get_metrics();
    assert_eq!(
        (before.reads, before.writes, before.pending_writes, before.syncs),
        (1, 2, 1, 0)
    );
    assert_eq!(before.clock.revision, written.revision);
    memory.force_sync().await.unwrap();
    let after = memory.get_metrics();
    assert_eq!((after.pending_writes, after.syncs, after.clock.marks), (0, 1, 1));
}
