//! Every change, once, in order, whatever happens to the member that serves the watch.

use std::time::Duration;

use quorate::{
    Client, Consistency, Error, ErrorKind, KeyEventKind, Keys, Op, Outcome, Watch, WatchBatch, WatchItem, Watched,
};
use quorate_proto::v1;

use crate::fake::{FakeCluster, refusal};

const SOON: Duration = Duration::from_secs(10);

async fn item(watch: &mut Watch) -> Result<WatchItem, Error> {
    let next = tokio::time::timeout(SOON, watch.next()).await;
    next.expect("an item comes").expect("the watch goes on")
}

pub(super) async fn batch(watch: &mut Watch) -> WatchBatch {
    match item(watch).await.unwrap() {
        WatchItem::Events(batch) => batch,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn revisions(watch: &mut Watch, count: usize) -> Vec<u64> {
    let mut revisions = Vec::new();
    for _ in 0..count {
        revisions.push(batch(watch).await.revision);
    }
    revisions
}

pub(super) async fn ends_with(watch: &mut Watch) -> Error {
    let error = item(watch).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotAMutation);
    assert!(watch.next().await.is_none(), "nothing follows an error");
    error
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let polled = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, polled)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

/// Writes `count` keys, one revision each; the last revision.
pub(super) async fn write(client: &Client, count: usize) -> u64 {
    let mut revision = 0;
    for index in 0..count {
        revision = client.put(format!("jobs/{index}"), "v").await.unwrap().revision;
    }
    revision
}

/// A client that finds out within a tenth of a second that a member is out of touch.
pub(super) async fn quick_client(cluster: &FakeCluster) -> Client {
    let builder = Client::builder().endpoints(cluster.addresses());
    builder.watch_probe(Duration::from_millis(100)).connect().await.unwrap()
}

#[tokio::test]
async fn a_watch_from_now_tells_what_is_written_afterwards_and_nothing_else() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    client.put("jobs/old", "v").await.unwrap();
    let mut watch = client.watch("jobs/*").previous(true).await.unwrap();
    assert_eq!(watch.position(), 2);
    assert!(watch.is_connected());
    client.put("other", "v").await.unwrap();
    client.put("jobs/old", "w").await.unwrap();
    client.delete("jobs/old").await.unwrap();
    let put = batch(&mut watch).await;
    assert_eq!(put.revision, 4);
    assert_eq!(put.wall_time, std::time::UNIX_EPOCH + Duration::from_secs(1));
    let event = put.events[0].as_key().unwrap();
    assert_eq!((event.kind, &event.record.value[..]), (KeyEventKind::Put, &b"w"[..]));
    assert_eq!(event.previous.as_ref().unwrap().value, "v");
    assert!(!event.is_create());
    let deleted = batch(&mut watch).await;
    let event = deleted.events[0].as_key().unwrap();
    assert_eq!((event.kind, event.record.mod_revision), (KeyEventKind::Delete, 5));
    assert_eq!((event.current(), watch.position()), (None, 5));
}

#[tokio::test]
async fn a_watch_from_a_revision_waits_for_it() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut future = client.watch("jobs/*").from(4).await.unwrap();
    let mut past = client.watch("jobs/*").from(1).await.unwrap();
    write(&client, 4).await;
    assert_eq!(revisions(&mut future, 2).await, [4, 5]);
    assert_eq!(revisions(&mut past, 4).await, [2, 3, 4, 5]);
}

#[tokio::test]
async fn what_was_asked_for_reaches_the_member() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let watch = client
        .watch("jobs/*")
        .and(Keys::key("leader"))
        .and(Watched::keys("x").domain("other"))
        .and(Watched::locks(Keys::all()))
        .domain("work")
        .deletes_only()
        .keys_only(true)
        .marks(Duration::from_millis(250));
    let _watch = watch.await.unwrap();
    let script = cluster.members[0].shared.watches.lock();
    let create = script.creates()[0];
    assert!(create.no_puts && !create.no_deletes && create.keys_only && !create.previous);
    assert_eq!(create.mark_interval_ms, 250);
    let domains: Vec<_> = create
        .selectors
        .iter()
        .map(|selector| selector.domain.as_str())
        .collect();
    assert_eq!(domains, ["work", "work", "other", ""]);
    assert_eq!(create.selectors[3].space(), v1::WatchSpace::Locks);
}

#[tokio::test]
async fn a_watch_that_cannot_be_is_refused_before_it_is_sent() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let refused = [
        ("from", client.watch("a").from(0).await),
        ("deletes_only", client.watch("a").puts_only().deletes_only().await),
        ("marks", client.watch("a").marks(Duration::from_millis(99)).await),
        ("buffer", client.watch("a").buffer(0).await),
        (
            "selectors",
            (0..64).fold(client.watch("a"), |watch, _| watch.and("b")).await,
        ),
    ];
    let error = client.watch("a".repeat(2 << 20)).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { limit: 1_572_864, .. }),
        "{error:?}"
    );
    for (wrong, result) in refused {
        let error = result.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == wrong),
            "{error:?}"
        );
        assert_eq!(error.outcome(), Outcome::NotAMutation);
    }
    assert!(cluster.members[0].shared.watches.lock().requests.is_empty());
}

#[tokio::test]
async fn all_watches_of_a_client_share_a_stream_that_goes_with_the_last() {
    let cluster = FakeCluster::start(1).await;
    let client = quick_client(&cluster).await;
    let script = || cluster.members[0].shared.watches.lock();
    assert_eq!(script().streams, 0);
    let mut kept = client.watch("jobs/*").await.unwrap();
    let dropped = client.watch("jobs/*").await.unwrap();
    assert_eq!(script().streams, 1);
    drop(dropped);
    until("the dropped watch is cancelled", || script().cancels() == 1).await;
    write(&client, 1).await;
    assert_eq!(revisions(&mut kept, 1).await, [2]);
    drop(kept);
    until("the stream is closed", || script().streams == 0).await;
    let mut again = client.watch("jobs/*").await.unwrap();
    write(&client, 1).await;
    assert_eq!(revisions(&mut again, 1).await, [3]);
}

#[tokio::test]
async fn a_stream_that_breaks_inside_a_revision_leaves_no_gap_and_no_duplicate() {
    let mut cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    let first = cluster
        .members
        .iter()
        .position(|member| member.shared.watches.lock().streams == 1)
        .unwrap();
    for member in &cluster.members {
        member.script_watches(|script| script.part = 2);
    }
    cluster.members[first].script_watches(|script| script.break_inside = true);
    client.put("jobs/0", "v").await.unwrap();
    let puts = (0..5).map(|index| Op::put(format!("jobs/{index}"), "w"));
    let written = puts
        .fold(client.txn(), |txn, put| txn.then(put))
        .await
        .unwrap()
        .revision;
    assert_eq!(batch(&mut watch).await.revision, written - 1);
    let whole = batch(&mut watch).await;
    assert_eq!((whole.revision, whole.events.len()), (written, 5));
    client.put("jobs/9", "v").await.unwrap();
    assert_eq!(batch(&mut watch).await.revision, written + 1);
    let second = cluster
        .members
        .iter()
        .position(|member| member.shared.watches.lock().streams == 1)
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(cluster.members[second].shared.watches.lock().starts(), [written]);
    assert_eq!(client.stats().watch_retries, 1);
    // The same when the member is gone for good.
    cluster.lead(first);
    cluster.members[second].kill().await;
    client.put("jobs/9", "v").await.unwrap();
    assert_eq!(batch(&mut watch).await.revision, written + 2);
}

#[tokio::test]
async fn a_watch_that_has_lost_every_member_says_so_and_goes_on_when_one_is_back() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    let member = &cluster.members[0];
    member.script_watches(|script| script.refuse_all = Some(refusal(v1::ErrorCode::Unavailable, 0)));
    member.break_streams();
    until("the trouble is known", || {
        watch
            .trouble()
            .is_some_and(|error| *error.kind() == ErrorKind::Unavailable)
    })
    .await;
    assert!(!watch.is_connected());
    write(&client, 2).await;
    member.script_watches(|script| script.refuse_all = None);
    assert_eq!(revisions(&mut watch, 2).await, [2, 3]);
    assert!(watch.is_connected() && watch.trouble().is_none());
}

#[tokio::test]
async fn a_member_that_does_not_answer_probes_or_has_no_quorum_is_left() {
    let cluster = FakeCluster::start(3).await;
    let client = quick_client(&cluster).await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    let serves = || {
        cluster
            .members
            .iter()
            .position(|member| member.shared.watches.lock().streams == 1)
    };
    let first = serves().unwrap();
    cluster.members[first].script_watches(|script| script.mute_probes = true);
    until("a second member serves it", || {
        serves().is_some_and(|second| second != first)
    })
    .await;
    let second = serves().unwrap();
    let error = refusal(v1::ErrorCode::Unavailable, 0);
    cluster.members[second].script_watches(|script| script.probe_error = Some(error));
    until("a third member serves it", || {
        serves().is_some_and(|third| third != second)
    })
    .await;
    until("it is connected", || watch.is_connected()).await;
    write(&client, 3).await;
    assert_eq!(revisions(&mut watch, 3).await, [2, 3, 4]);
}

#[tokio::test]
async fn a_compacted_start_is_an_error_with_the_boundary() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    write(&client, 5).await;
    cluster.store.lock().watchable_from = 4;
    let error = client.watch("jobs/*").from(3).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Compacted { boundary: 4 });
    let mut watch = client.watch("jobs/*").from(4).await.unwrap();
    assert_eq!(revisions(&mut watch, 3).await, [4, 5, 6]);
    // What was compacted while nobody served it cannot be made up for.
    cluster.store.lock().watchable_from = 9;
    cluster.members[0].break_streams();
    assert_eq!(
        ends_with(&mut watch).await.kind(),
        &ErrorKind::Compacted { boundary: 9 }
    );
}

#[tokio::test]
async fn a_slow_consumer_loses_nothing_and_holds_up_nobody() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut slow = client.watch("jobs/*").buffer(4).await.unwrap();
    let mut quick = client.watch("jobs/*").await.unwrap();
    write(&client, 20).await;
    let expected: Vec<u64> = (2..=21).collect();
    assert_eq!(revisions(&mut quick, 20).await, expected);
    assert_eq!(slow.backlog(), 4);
    assert!(!slow.is_connected());
    until("the slow one is cancelled", || {
        cluster.members[0].shared.watches.lock().cancels() == 1
    })
    .await;
    assert_eq!(cluster.members[0].shared.watches.lock().starts(), [0, 0]);
    assert_eq!(revisions(&mut slow, 20).await, expected);
    write(&client, 1).await;
    assert_eq!(revisions(&mut slow, 1).await, [22]);
}

#[tokio::test]
async fn a_slow_consumer_that_wants_to_know_is_told_where_to_resume() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").buffer(4).fail_when_lagging().await.unwrap();
    write(&client, 20).await;
    until("the watch has ended", || !watch.is_connected()).await;
    assert_eq!(revisions(&mut watch, 4).await, [2, 3, 4, 5]);
    let error = ends_with(&mut watch).await;
    assert_eq!(error.kind(), &ErrorKind::Lagged { resume: 6 });
    assert_eq!(watch.position(), 5);
    let mut resumed = client.watch("jobs/*").from(6).await.unwrap();
    assert_eq!(revisions(&mut resumed, 16).await, (6..=21).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_watch_that_the_member_ends_for_lagging_goes_on_where_it_was() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    let mut strict = client.watch("other/*").fail_when_lagging().await.unwrap();
    write(&client, 1).await;
    assert_eq!(revisions(&mut watch, 1).await, [2]);
    let lagged = refusal(v1::ErrorCode::Lagged, 3);
    cluster.members[0].script_watches(|script| script.cancel = Some(lagged.clone()));
    write(&client, 2).await;
    assert_eq!(revisions(&mut watch, 2).await, [3, 4]);
    assert_eq!(cluster.members[0].shared.watches.lock().starts(), [0, 0, 3]);
    cluster.members[0].script_watches(|script| script.cancel = Some(lagged));
    client.put("other/1", "v").await.unwrap();
    assert!(matches!(ends_with(&mut strict).await.kind(), ErrorKind::Lagged { .. }));
}

#[tokio::test]
async fn a_limit_of_one_member_sends_the_watch_to_another() {
    let cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    let full = refusal(v1::ErrorCode::LimitReached, 0);
    for member in &cluster.members[..2] {
        member.script_watches(|script| script.refuse_all = Some(full.clone()));
    }
    let mut watch = client.watch("jobs/*").await.unwrap();
    write(&client, 1).await;
    assert_eq!(revisions(&mut watch, 1).await, [2]);
    cluster.members[2].script_watches(|script| script.refuse_all = Some(full));
    let error = client.watch("jobs/*").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::LimitReached { .. }), "{error:?}");
    client.put("jobs/0", "v").await.unwrap();
    assert_eq!(revisions(&mut watch, 1).await, [3]);
}

#[tokio::test]
async fn what_no_member_can_change_ends_the_watch_at_once() {
    let cluster = FakeCluster::start(3).await;
    let client = cluster.client().await;
    for code in [
        v1::ErrorCode::InvalidArgument,
        v1::ErrorCode::UnknownDomain,
        v1::ErrorCode::TierMismatch,
        v1::ErrorCode::WrongCluster,
        v1::ErrorCode::Unspecified,
    ] {
        for member in &cluster.members {
            member.script_watches(|script| script.refuse = [refusal(code, 0)].into());
        }
        let before = client.stats().watch_retries;
        let error = client.watch("jobs/*").await.unwrap_err();
        assert_eq!(client.stats().watch_retries, before, "{error:?}");
    }
}

#[tokio::test]
async fn a_watch_from_now_that_no_member_takes_in_time_says_why() {
    let cluster = FakeCluster::start(2).await;
    let client = cluster.client().await;
    for member in &cluster.members {
        member.script_watches(|script| script.refuse_all = Some(refusal(v1::ErrorCode::Unavailable, 0)));
    }
    let error = client
        .watch("jobs/*")
        .timeout(Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::DeadlineExceeded);
    assert!(
        error.message().contains("refused by the script: Unavailable"),
        "{error}"
    );
}

#[tokio::test]
async fn a_member_that_repeats_a_revision_is_not_believed() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    cluster.members[0].script_watches(|script| script.repeat = true);
    write(&client, 1).await;
    assert_eq!(revisions(&mut watch, 1).await, [2]);
    let error = ends_with(&mut watch).await;
    assert_eq!(
        (error.kind(), error.message()),
        (&ErrorKind::Protocol, "revision 2 came after revision 2")
    );
}

#[tokio::test]
async fn marks_move_the_position_and_are_yielded_only_if_asked_for() {
    let cluster = FakeCluster::start(1).await;
    let client = quick_client(&cluster).await;
    let mut marked = client.watch("jobs/*").marks(Duration::from_secs(1)).await.unwrap();
    let silent = client.watch("jobs/*").await.unwrap();
    client.put("other", "v").await.unwrap();
    until("a probe is answered", || silent.position() == 2).await;
    // Marks in a row become one, so it may be the first one or the last.
    loop {
        let WatchItem::Mark { revision } = item(&mut marked).await.unwrap() else {
            panic!()
        };
        assert_eq!(marked.position(), revision);
        if revision == 2 {
            break;
        }
    }
    assert_eq!(silent.backlog(), 0);
}

#[tokio::test]
async fn what_a_watch_told_counts_as_seen() {
    let cluster = FakeCluster::start(1).await;
    let (writer, reader) = (cluster.client().await, cluster.client().await);
    let seen = async || {
        reader.get("k").consistency(Consistency::Local).await.unwrap();
        let store = cluster.store.lock();
        match store.requests.last() {
            Some(v1::call::Request::Get(get)) => get.read.unwrap().min_revision,
            other => panic!("{other:?}"),
        }
    };
    let start = write(&writer, 2).await;
    let mut watch = reader.watch("jobs/*").await.unwrap();
    assert_eq!(seen().await, start);
    let revision = write(&writer, 3).await;
    revisions(&mut watch, 3).await;
    assert_eq!(seen().await, revision);
}

#[tokio::test]
async fn closing_the_client_ends_its_watches() {
    let cluster = FakeCluster::start(1).await;
    let client = cluster.client().await;
    let mut watch = client.watch("jobs/*").await.unwrap();
    client.close().await;
    assert_eq!(ends_with(&mut watch).await.kind(), &ErrorKind::Closed);
    let error = client.watch("jobs/*").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Closed);
}
