//! Following patterns by callbacks.

use std::time::Duration;

use quorate::{MemoryChange, MemoryChangeKind, MemoryEvent, Tier};
use quorate_proto::v1;
use quorate_proto::v1::watch_message::Message;
use tokio::sync::mpsc;

use crate::fake::FakeCluster;
use crate::memory::memory_of;

/// A callback that hands over what it is called with.
fn collecting() -> (
    impl FnMut(&MemoryChange) + Send + 'static,
    mpsc::UnboundedReceiver<MemoryChange>,
) {
    let (sender, changes) = mpsc::unbounded_channel();
    let callback = move |change: &MemoryChange| {
        let _ = sender.send(change.clone());
    };
    (callback, changes)
}

async fn next(changes: &mut mpsc::UnboundedReceiver<MemoryChange>) -> MemoryChange {
    let next = tokio::time::timeout(Duration::from_secs(10), changes.recv());
    next.await.expect("a change is told").unwrap()
}

/// What a member tells of an eventual key.
fn told(key: &'static str, value: &'static str) -> Message {
    use prost::Message as _;
    let mut event = v1::KeyEvent {
        domain: "default-eventual".to_owned(),
        record: Some(v1::Record {
            key: key.into(),
            value: value.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    event.set_kind(v1::KeyEventKind::Put);
    event.set_type(v1::EventualType::Register);
    let event = v1::watch_event::Event::Key(event);
    Message::Events(quorate_proto::watch::WatchEvents {
        watch_ids: vec![1],
        revision: 0,
        wall_ms: 0,
        events: vec![v1::WatchEvent { event: Some(event) }.encode_to_vec().into()],
        more: false,
    })
}

#[tokio::test]
async fn changes_of_both_tiers_are_told_until_the_subscription_is_ended() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let key = "task-sentinel/tasks/t/progress";
    cluster.members[0].script_watches(|script| script.latest = vec![told(key, "{\"percent\":5}")]);
    let (callback, mut changes) = collecting();
    let id = memory.subscribe("task-sentinel/*").on_change(callback).await.unwrap();
    assert_eq!(memory.get_metrics().subscriptions, 1);
    let eventual = next(&mut changes).await;
    assert_eq!(
        (eventual.key.as_str(), eventual.tier, eventual.revision),
        (key, Tier::Eventual, 0)
    );

    memory.write("elsewhere", &0).await.unwrap();
    let written = memory.sync_task_state("t", "running").await.unwrap();
    let put = next(&mut changes).await;
    assert_eq!(
        (put.kind, put.tier, put.revision),
        (MemoryChangeKind::Put, Tier::Strong, written.revision)
    );
    assert_eq!(put.read::<String>().unwrap().unwrap(), "running");
    memory.delete("task-sentinel/tasks/t/state").await.unwrap();
    let gone = next(&mut changes).await;
    assert_eq!((gone.kind, gone.value), (MemoryChangeKind::Delete, None));

    assert!(memory.unsubscribe(id));
    assert!(!memory.unsubscribe(id));
    memory.sync_task_state("t", "again").await.unwrap();
    assert!(changes.recv().await.is_none(), "the callback is gone");
    assert_eq!(memory.get_metrics().subscriptions, 0);
}

#[tokio::test]
async fn a_callback_that_panics_is_told_and_called_again() {
    let cluster = FakeCluster::start(1).await;
    let memory = memory_of(&cluster.client().await, "worker-1").await;
    let mut events = memory.events();
    let (mut callback, mut changes) = collecting();
    let panicking = move |change: &MemoryChange| {
        assert!(change.value.as_deref() != Some(b"1"), "one is not liked");
        callback(change);
    };
    let id = memory.subscribe("k*").on_change(panicking).await.unwrap();
    memory.write("k", &1).await.unwrap();
    memory.write("k", &2).await.unwrap();
    assert_eq!(next(&mut changes).await.read::<u8>().unwrap(), Some(2));
    loop {
        match events.next().await {
            Some(MemoryEvent::CallbackPanicked {
                subscription,
                key,
                message,
            }) => {
                assert_eq!(
                    (subscription, key.as_str(), message.as_str()),
                    (id, "k", "one is not liked")
                );
                return;
            }
            Some(MemoryEvent::Write { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_subscription_that_ends_by_itself_says_why() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let memory = memory_of(&client, "worker-1").await;
    let mut events = memory.events();
    let id = memory.subscribe("k*").on_change(|_| {}).await.unwrap();
    client.close().await;
    let ended = tokio::time::timeout(Duration::from_secs(10), events.next())
        .await
        .unwrap();
    assert!(
        matches!(ended, Some(MemoryEvent::SubscriptionEnded { subscription, .. }) if subscription == id),
        "{ended:?}"
    );
}
