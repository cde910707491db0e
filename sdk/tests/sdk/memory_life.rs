//! How a memory ends.

use std::time::Duration;

use quorate::{Error, ErrorKind, Memory, QueueState};

use crate::fake::FakeCluster;
use crate::memory::memory_of;

#[tokio::test]
async fn a_shutdown_sends_what_the_batch_holds_and_then_every_call_is_refused() {
    let cluster = FakeCluster::start(1).await;
    let memory = Memory::builder()
        .endpoints(cluster.addresses())
        .worker_id("worker-1")
        .batch_interval(Duration::from_secs(60))
        .connect()
        .await
        .unwrap();
    let other = memory.clone();
    let mut events = memory.events();
    for task in 0..1_000 {
        memory.sync_task_progress(&task.to_string(), 50, "half").await.unwrap();
    }
    memory.shutdown().await.unwrap();
    assert_eq!(cluster.members[0].eventual().applied, 1_000);
    while events.next().await.is_some() {}

    let second = Duration::from_secs(1);
    let refused: Vec<Error> = vec![
        other.sync_task_state("t", "x").await.unwrap_err(),
        other.get_task_state::<String>("t").await.unwrap_err(),
        other.sync_task_progress("t", 1, "x").await.unwrap_err(),
        other.get_task_progress("t").await.unwrap_err(),
        other.acquire_task_lock("t", second).await.unwrap_err(),
        other.release_task_lock("t").await.unwrap_err(),
        other.sync_worker_status("w", "x").await.unwrap_err(),
        other.sync_worker_capacity("w", 1).await.unwrap_err(),
        other.update_heartbeat().await.unwrap_err(),
        other.get_active_workers().await.unwrap_err(),
        other.sync_agent_coordination("t", "a", "x").await.unwrap_err(),
        other.get_agent_coordination::<String>("t", "a").await.unwrap_err(),
        other.get_task_agents::<String>("t").await.unwrap_err(),
        other.sync_queue(&QueueState::default()).await.unwrap_err(),
        other.get_queue().await.unwrap_err(),
        other.sync_assignments([("w", ["t"])]).await.unwrap_err(),
        other.get_assignments().await.unwrap_err(),
        other.sync_metrics(&()).await.unwrap_err(),
        other.get_shared_metrics().await.unwrap_err(),
        other.read::<u8>("k").await.unwrap_err(),
        other.write("k", "v").await.unwrap_err(),
        other.delete("k").await.unwrap_err(),
        other.search_keys("*").await.unwrap_err(),
        other.subscribe("*").await.unwrap_err(),
        other.resolve_conflict([]).unwrap_err(),
        other.clear_cache().unwrap_err(),
        other.force_sync().await.unwrap_err(),
    ];
    for (number, error) in refused.iter().enumerate() {
        assert_eq!(error.kind(), &ErrorKind::Closed, "{number}: {error:?}");
        assert_eq!(error.message(), "the memory was shut down");
    }
    other.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_waits_for_the_calls_under_way() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.write("warm", "up").await.unwrap();
    cluster.members[0].hold();
    let writing = tokio::spawn({
        let memory = memory.clone();
        async move { memory.write("k", "v").await }
    });
    cluster.members[0].has_calls(3).await;
    let mut ending = std::pin::pin!(memory.shutdown());
    for _ in 0..100 {
        assert!(futures::poll!(&mut ending).is_pending());
        tokio::task::yield_now().await;
    }
    cluster.members[0].release();
    ending.await.unwrap();
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_goes_on_when_its_caller_does_not_wait_and_all_callers_wait_for_the_same() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let memory = memory_of(&client, "worker-1").await;
    memory.write("warm", "up").await.unwrap();
    cluster.members[0].hold();
    let writing = tokio::spawn({
        let memory = memory.clone();
        async move { memory.write("k", "v").await }
    });
    cluster.members[0].has_calls(3).await;
    assert!(futures::poll!(std::pin::pin!(memory.shutdown())).is_pending());
    let mut again = std::pin::pin!(memory.shutdown());
    assert!(futures::poll!(&mut again).is_pending(), "it is not over yet");
    memory.get_queue().await.unwrap_err();
    cluster.members[0].release();
    again.await.unwrap();
    memory.shutdown().await.unwrap();
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_was_given_stays_open() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    memory_of(&client, "worker-1").await.shutdown().await.unwrap();
    client.put("k", "v").await.unwrap();
}

#[tokio::test]
async fn a_memory_that_is_dropped_still_sends_what_it_has_taken() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    memory.sync_task_progress("t", 50, "half").await.unwrap();
    drop(memory);
    tokio::time::timeout(Duration::from_secs(10), async {
        while cluster.members[0].eventual().applied == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("nobody flushes");
}
