//! Watches of the eventual tier: what is asked for, what is yielded, and what becomes of them when members fail.

use std::time::Duration;

use prost::Message as _;
use quorate::{
    Client, ErrorKind, EventualType, EventualUpdate, EventualUpdateKind, EventualWatch, EventualWatchItem, Keys,
};
use quorate_proto::v1;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::watch::WatchEvents;
use tokio::time::timeout;

use crate::fake::{FakeCluster, refusal};

const PATIENCE: Duration = Duration::from_secs(20);

async fn next(watch: &mut EventualWatch) -> EventualWatchItem {
    let item = timeout(PATIENCE, watch.next()).await.expect("an item comes");
    item.expect("the watch goes on").unwrap()
}

async fn update(watch: &mut EventualWatch) -> EventualUpdate {
    match next(watch).await {
        EventualWatchItem::Changed(update) => update,
        other => panic!("{other:?}"),
    }
}

async fn error(watch: &mut EventualWatch) -> ErrorKind {
    let item = timeout(PATIENCE, watch.next()).await.expect("an item comes");
    let kind = item.expect("an error comes").unwrap_err().kind().clone();
    assert!(watch.next().await.is_none(), "something came after the error");
    kind
}

fn event(key: &'static str, kind: v1::KeyEventKind, entry_type: v1::EventualType) -> Message {
    let event = v1::KeyEvent {
        domain: "progress".to_owned(),
        kind: kind.into(),
        record: Some(v1::Record {
            key: key.into(),
            value: "7".into(),
            ..Default::default()
        }),
        r#type: entry_type.into(),
        siblings: 2,
        ..Default::default()
    };
    let event = Some(v1::watch_event::Event::Key(event));
    Message::Events(WatchEvents {
        watch_ids: vec![1],
        events: vec![v1::WatchEvent { event }.encode_to_vec().into()],
        ..WatchEvents::default()
    })
}

fn put(key: &'static str) -> Message {
    event(key, v1::KeyEventKind::Put, v1::EventualType::Register)
}

fn mark(again: bool) -> Message {
    Message::Mark(v1::WatchMark {
        watch_ids: vec![1],
        again,
        ..Default::default()
    })
}

#[tokio::test]
async fn a_watch_asks_for_latest_values_of_one_domain_and_yields_what_it_is_told() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    cluster.members[0].script_watches(|script| {
        let gone = event("b", v1::KeyEventKind::Expire, v1::EventualType::Counter);
        script.latest = vec![put("a"), mark(false), gone, mark(true)];
    });
    let open = client.eventual_in("progress").watch(Keys::prefix("t/")).and("key");
    let mut watch = open.existing().keys_only().await.unwrap();
    let a = update(&mut watch).await;
    assert_eq!(
        (
            a.domain.as_str(),
            &a.key[..],
            a.entry_type,
            a.kind,
            &a.value[..],
            a.siblings
        ),
        (
            "progress",
            &b"a"[..],
            EventualType::Register,
            EventualUpdateKind::Put,
            &b"7"[..],
            2
        )
    );
    assert_eq!(next(&mut watch).await, EventualWatchItem::CaughtUp);
    let b = update(&mut watch).await;
    assert_eq!(
        (b.entry_type, b.kind),
        (EventualType::Counter, EventualUpdateKind::Expire)
    );
    assert_eq!(next(&mut watch).await, EventualWatchItem::Restarted);
    cluster.members[0].script_watches(|script| {
        let create = script.creates()[0].clone();
        assert!(create.latest && create.keys_only && !create.previous);
        let domains: Vec<_> = create
            .selectors
            .iter()
            .map(|selector| selector.domain.as_str())
            .collect();
        assert_eq!(domains, ["progress", "progress"]);
        assert_eq!(script.starts(), [1]);
        assert_eq!(script.probes(), 0, "nothing that needs a quorum is asked");
    });
}

#[tokio::test]
async fn a_watch_whose_member_is_lost_gets_everything_again_and_is_told_so() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    for member in &cluster.members {
        member.script_watches(|script| script.latest = vec![put("a"), mark(false)]);
    }
    // It began with what changes from now on; from another member that is not enough.
    let mut watch = client.eventual().watch("a").await.unwrap();
    update(&mut watch).await;
    assert_eq!(next(&mut watch).await, EventualWatchItem::CaughtUp);
    cluster.members.iter().for_each(|member| member.break_streams());
    assert_eq!(next(&mut watch).await, EventualWatchItem::Restarted);
    update(&mut watch).await;
    assert_eq!(next(&mut watch).await, EventualWatchItem::CaughtUp);
    let mut starts = Vec::new();
    for member in &cluster.members {
        member.script_watches(|script| starts.push(script.starts()));
    }
    starts.sort();
    assert_eq!(starts, [vec![0], vec![1]], "it went to the other member");
}

#[tokio::test]
async fn a_refusal_that_lasts_is_the_answer_and_one_that_passes_is_not() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let member = &cluster.members[0];
    member.script_watches(|script| {
        let lagged = refusal(v1::ErrorCode::Lagged, 1);
        script.refuse = [refusal(v1::ErrorCode::Unavailable, 0), lagged].into();
    });
    drop(client.eventual().watch("a").await.unwrap());
    member.script_watches(|script| script.refuse.push_back(refusal(v1::ErrorCode::TierMismatch, 0)));
    let refused = client.eventual_in("default").watch("a").await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::TierMismatch), "{refused:?}");
    // Also where it was served before.
    member.script_watches(|script| script.latest = vec![put("a")]);
    let mut watch = client.eventual().watch("a").await.unwrap();
    update(&mut watch).await;
    member.script_watches(|script| script.refuse_all = Some(refusal(v1::ErrorCode::UnknownDomain, 0)));
    member.break_streams();
    assert!(matches!(error(&mut watch).await, ErrorKind::UnknownDomain));
}

#[tokio::test]
async fn bad_settings_are_refused_before_anybody_is_asked() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let nothing = client.eventual().watch("a").puts_only().deletes_only().await;
    let too_many = (0..64).fold(client.eventual().watch("a"), |watch, _| watch.and("b"));
    let no_time = client.eventual().watch("a").timeout(Duration::ZERO).await;
    for refused in [nothing, too_many.await, no_time] {
        let error = refused.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument { .. }), "{error:?}");
    }
    cluster.members[0].script_watches(|script| assert!(script.requests.is_empty()));
}

#[tokio::test]
async fn a_watch_that_nobody_serves_says_why_within_its_time() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let full = refusal(v1::ErrorCode::LimitReached, 0);
    cluster.members[0].script_watches(|script| script.refuse_all = Some(full));
    let refused = client.eventual().watch("a").timeout(Duration::from_millis(200)).await;
    assert!(matches!(refused.unwrap_err().kind(), ErrorKind::LimitReached { .. }));
    let unavailable = refusal(v1::ErrorCode::Unavailable, 0);
    cluster.members[0].script_watches(|script| script.refuse_all = Some(unavailable));
    let refused = client.eventual().watch("a").timeout(Duration::from_millis(200)).await;
    let error = refused.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded), "{error:?}");
    assert!(error.message().contains("Unavailable"), "{}", error.message());
}

#[tokio::test]
async fn a_watch_ends_with_its_client_and_at_the_member_with_its_handle() {
    let cluster = FakeCluster::start(1).await;
    let client: Client = cluster.client().await;
    let mut watch = client.eventual().watch("a").await.unwrap();
    let other = client.eventual().watch("a").await.unwrap();
    let streams = || {
        let mut streams = 0;
        cluster.members[0].script_watches(|script| streams = script.streams);
        streams
    };
    assert_eq!(streams(), 2);
    drop(other);
    crate::watch::until("the stream of the dropped watch ends", || streams() == 1).await;
    client.close().await;
    assert!(matches!(error(&mut watch).await, ErrorKind::Closed));
    crate::watch::until("the other ends", || streams() == 0).await;
}
