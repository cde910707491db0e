//! What a memory writes all the time: progress and metrics, collected and sent together.

use std::time::Duration;

use quorate::{Memory, MemoryEvent};
use quorate_proto::v1;
use serde_json::json;

use crate::fake::{Behaviour, FakeCluster};
use crate::memory::memory_of;

#[tokio::test]
async fn reports_of_one_task_that_wait_together_are_one_write() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    for percent in 0..=100 {
        memory.sync_task_progress("t", percent, "running").await.unwrap();
    }
    assert_eq!(cluster.members[0].eventual_traffic().1, 0);
    assert_eq!(memory.get_metrics().pending_writes, 1);
    assert_eq!(memory.force_sync().await.unwrap(), 1);
    let requests = cluster.members[0].eventual().requests.clone();
    assert_eq!(
        (requests.len(), requests[0].writes.len(), requests[0].writes[0].ttl_ms),
        (1, 1, 3_600_000)
    );
    let progress = memory.get_task_progress("t").await.unwrap().unwrap();
    assert_eq!((progress.percent, progress.status.as_str()), (100, "running"));
    assert_eq!(progress.worker, "worker-1");
}

#[tokio::test]
async fn a_program_reads_what_its_batch_still_holds() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.sync_task_progress("t", 7, "begun").await.unwrap();
    assert_eq!(memory.get_task_progress("t").await.unwrap().unwrap().percent, 7);
}

#[tokio::test]
async fn the_batch_goes_when_its_interval_is_over() {
    let cluster = FakeCluster::start(1).await;
    let builder = Memory::builder().client(cluster.client().await).worker_id("worker-1");
    let memory = builder
        .batch_interval(Duration::from_millis(5))
        .connect()
        .await
        .unwrap();
    let mut events = memory.events();
    memory.sync_task_progress("t", 7, "begun").await.unwrap();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), events.next())
            .await
            .expect("nobody flushes")
        {
            Some(MemoryEvent::BatchFlushed { written, failed }) => {
                assert_eq!((written, failed.len()), (1, 0));
                return;
            }
            Some(MemoryEvent::Write { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn metrics_are_fields_of_which_the_last_stays_and_counters_that_add_up() {
    let cluster = FakeCluster::start(1).await;
    let (one, other) = (
        memory_of(&cluster.client().await, "worker-1").await,
        memory_of(&cluster.client().await, "worker-2").await,
    );
    one.sync_metrics(&json!({"depth": 9, "failed": 0}))
        .add("completed", 2)
        .await
        .unwrap();
    one.sync_metrics(&json!({"depth": 4}))
        .add("completed", 1)
        .await
        .unwrap();
    one.force_sync().await.unwrap();
    // The fields together are one write, the additions another.
    assert_eq!(cluster.members[0].eventual().applied, 2);
    other.sync_metrics(&()).add("completed", 5).await.unwrap();
    let shared = other.get_shared_metrics().await.unwrap();
    assert_eq!(
        (shared.fields["depth"].clone(), shared.fields["failed"].clone()),
        (json!(4), json!(0))
    );
    assert_eq!(shared.counters["completed"], 8);
    assert_eq!(
        shared.to::<serde_json::Value>().unwrap(),
        json!({"depth": 4, "failed": 0, "completed": 8})
    );
    let key = one.key("coordination/metrics");
    assert_eq!(
        one.read::<serde_json::Value>(key.as_str())
            .await
            .unwrap()
            .unwrap()
            .value,
        json!({"depth": 4, "failed": 0})
    );
    assert_eq!(
        one.read::<i64>(format!("{key}/completed"))
            .await
            .unwrap()
            .unwrap()
            .value,
        8
    );
    assert!(one.delete(&key).await.unwrap());
    let left = other.get_shared_metrics().await.unwrap();
    assert!(
        left.fields.is_empty() && left.counters.values().all(|sum| *sum == 0),
        "{left:?}"
    );
}

#[tokio::test]
async fn metrics_that_are_no_object_are_refused_before_anything_is_taken() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let no_object = memory.sync_metrics(&[1]).await.unwrap_err();
    assert_eq!(
        no_object.message(),
        "metrics are an object: each of its fields is one of them"
    );
    memory.sync_metrics(&json!({"a": 1})).add("b/c", 1).await.unwrap_err();
    memory
        .write(memory.key("coordination/metrics/done"), &1)
        .await
        .unwrap_err();
    memory.write(memory.key("coordination/metrics"), &1).await.unwrap_err();
    assert_eq!(memory.get_metrics().pending_writes, 0);
}

#[tokio::test]
async fn a_write_of_the_batch_that_failed_is_told_once_by_the_next_forced_sync() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let mut refusal = v1::Error::default();
    refusal.set_code(v1::ErrorCode::UnknownDomain);
    cluster.members[0].script_eventual([Behaviour::Refuse(refusal)]);
    let mut events = memory.events();
    memory.sync_task_progress("t", 7, "begun").await.unwrap();
    memory.sync_task_progress("u", 7, "begun").await.unwrap();
    // The read sends them first, and does not swallow what became of them.
    assert!(memory.get_task_progress("t").await.unwrap().is_none());
    let error = memory.force_sync().await.unwrap_err();
    let wanted = "2 writes of the batch failed, the first of task-sentinel/tasks/t/progress: ";
    assert!(error.message().starts_with(wanted), "{error}");
    assert_eq!(memory.force_sync().await.unwrap(), 0);
    assert_eq!(memory.get_metrics().failed_writes, 2);
    let flushed =
        std::iter::repeat_with(|| futures::executor::block_on(events.next()).unwrap()).find_map(|event| match event {
            MemoryEvent::BatchFlushed { written, failed } => Some((written, failed.len())),
            _ => None,
        });
    assert_eq!(flushed, Some((0, 2)));
}
