//! Every change, once, in order, at any member; bad input is refused with its reason.

use std::time::Duration;

use futures::StreamExt;
use quorate::{
    Client, ErrorKind, KeyEvent, KeyEventKind, Keys, LeaseEventKind, LockEventKind, Op, QueueEventKind, Watch,
    WatchBatch, WatchEvent, WatchItem, Watched,
};
use quorate_proto::v1;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_create::Start;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::wait;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn batch(watch: &mut Watch) -> WatchBatch {
    let item = timeout(PATIENCE, watch.next()).await.expect("an item comes");
    match item.expect("the watch goes on").unwrap() {
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

fn key_events(batch: &WatchBatch) -> Vec<&KeyEvent> {
    batch.events.iter().map(|event| event.as_key().unwrap()).collect()
}

async fn one_member(limits: &str) -> (Cluster, Client) {
    let mut settings = Settings::of(1);
    settings.more_toml = format!("[limits]\n{limits}\n");
    let cluster = Cluster::start_with(settings).await.unwrap();
    let client = cluster.client().await.unwrap();
    (cluster, client)
}

/// One stream over plain gRPC: the SDK would not make these mistakes.
struct Stream {
    requests: mpsc::Sender<v1::WatchRequest>,
    responses: tonic::Streaming<v1::WatchResponse>,
    read: Vec<Message>,
}

impl Stream {
    async fn open(cluster: &Cluster) -> Stream {
        let endpoint = format!("http://{}", cluster.endpoints()[0]);
        let (requests, outgoing) = mpsc::channel(64);
        let outgoing = futures::stream::unfold(outgoing, |mut outgoing| async move {
            let request = outgoing.recv().await?;
            Some((request, outgoing))
        });
        let mut client = WatchClient::connect(endpoint).await.unwrap();
        Stream {
            responses: client.open(outgoing).await.unwrap().into_inner(),
            requests,
            read: Vec::new(),
        }
    }

    async fn create(&self, watch_id: u64, pattern: &str, start: Start) {
        let create = v1::WatchCreate {
            watch_id,
            selectors: vec![v1::WatchSelector {
                keys: Some(v1::KeySelector {
                    kind: Some(v1::key_selector::Kind::Pattern(pattern.to_owned())),
                }),
                ..Default::default()
            }],
            start: Some(start),
            ..Default::default()
        };
        let request = Some(Request::Create(create));
        self.requests.send(v1::WatchRequest { request }).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        while self.read.is_empty() {
            let response = timeout(PATIENCE, self.responses.message())
                .await
                .expect("a response comes");
            let messages = response.unwrap().expect("the stream goes on").messages;
            self.read = messages.into_iter().filter_map(|message| message.message).collect();
        }
        self.read.remove(0)
    }

    async fn refusal(&mut self) -> v1::Error {
        match self.next().await {
            Message::Canceled(canceled) => canceled.error.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_watch_at_each_member_tells_the_same_in_the_same_order() {
    let mut cluster = Cluster::start(3).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let writer = cluster.client().await.unwrap();
    let mut watches = Vec::new();
    for id in cluster.ids() {
        let client = cluster.client_of(id).await.unwrap();
        watches.push(client.watch("jobs/*").previous(true).await.unwrap());
    }
    writer.put("jobs/1", "a").await.unwrap();
    writer.put("jobs/1/log", "not selected").await.unwrap();
    writer.put("jobs/1", "b").await.unwrap();
    let both = writer.txn().then(Op::put("jobs/2", "c")).then(Op::delete("jobs/1"));
    let last = both.await.unwrap().revision;
    let mut told = Vec::new();
    for watch in &mut watches {
        let batches = [batch(watch).await, batch(watch).await, batch(watch).await];
        assert_eq!(watch.position(), last);
        told.push(batches);
    }
    assert!(told.iter().all(|batches| *batches == told[0]), "{told:?}");
    let [created, changed, both] = &told[0];
    assert!(key_events(created)[0].is_create() && key_events(created)[0].previous.is_none());
    assert_eq!(key_events(changed)[0].previous.as_ref().unwrap().value, "a");
    assert_eq!((both.revision, both.events.len()), (last, 2));
}

/// What happened to a lease and to its one key, at one revision.
fn kinds(batch: &WatchBatch) -> (LeaseEventKind, KeyEventKind) {
    let (lease, key) = match &batch.events[..] {
        [WatchEvent::Lease(lease), WatchEvent::Key(key)] | [WatchEvent::Key(key), WatchEvent::Lease(lease)] => {
            (lease, key)
        }
        other => panic!("{other:?}"),
    };
    (lease.kind.clone(), key.kind)
}

#[tokio::test]
async fn keys_that_expire_or_go_with_their_lease_are_told() {
    let (_cluster, client) = one_member("").await;
    let mut watch = client.watch("k/*").and(Watched::leases(Keys::all())).await.unwrap();
    let lease = client.grant_lease(Duration::from_secs(60)).await.unwrap().lease;
    let granted = batch(&mut watch).await;
    let WatchEvent::Lease(event) = &granted.events[0] else {
        panic!("{granted:?}")
    };
    assert!(event.lease == lease && matches!(event.kind, LeaseEventKind::Granted { .. }));
    client.put("k/leased", "v").lease(lease).await.unwrap();
    client
        .put("k/short", "v")
        .ttl(Duration::from_millis(300))
        .await
        .unwrap();
    assert_eq!(batch(&mut watch).await.events.len(), 1);
    assert_eq!(batch(&mut watch).await.events.len(), 1);
    let expired = batch(&mut watch).await;
    assert_eq!(key_events(&expired)[0].kind, KeyEventKind::Expire);
    client.revoke_lease(lease).await.unwrap();
    let gone = batch(&mut watch).await;
    assert_eq!(kinds(&gone), (LeaseEventKind::Revoked, KeyEventKind::Delete));
    let lease = client.grant_lease(Duration::from_secs(1)).await.unwrap().lease;
    client.put("k/leased", "v").lease(lease).await.unwrap();
    assert_eq!(batch(&mut watch).await.events.len(), 1);
    assert_eq!(batch(&mut watch).await.events.len(), 1);
    let gone = batch(&mut watch).await;
    assert_eq!(kinds(&gone), (LeaseEventKind::Expired, KeyEventKind::Expire));
}

#[tokio::test]
async fn one_commit_of_several_kinds_is_told_as_one() {
    let (_cluster, client) = one_member("").await;
    let mail = client.queue("mail");
    mail.create(quorate::QueueConfig::default()).await.unwrap();
    let watch = client
        .watch("jobs/**")
        .and(Watched::locks("reports"))
        .and(Watched::queues(Keys::all()));
    let mut watch = watch.await.unwrap();
    let lock = client.lock("reports").acquire().await.unwrap();
    let acquired = batch(&mut watch).await;
    let WatchEvent::Lock(event) = &acquired.events[0] else {
        panic!("{acquired:?}")
    };
    assert_eq!((event.token, &event.lock[..]), (lock.token(), "reports"));
    assert!(matches!(event.kind, LockEventKind::Acquired { waited: false, .. }));
    let push = mail.push_op(quorate::NewItem::new("hello"));
    let done = client
        .txn()
        .then(lock.fence())
        .then(Op::put("jobs/1", "done"))
        .then(push);
    let revision = done.await.unwrap().revision;
    let told = batch(&mut watch).await;
    assert_eq!((told.revision, told.events.len()), (revision, 2), "{told:?}");
    let is_pushed = |event: &WatchEvent| {
        matches!(event, WatchEvent::Queue(queue) if queue.items.len() == 1
        && matches!(queue.kind, QueueEventKind::Enqueued { delayed: false, .. }))
    };
    assert!(told.events.iter().any(is_pushed), "{told:?}");
}

#[tokio::test]
async fn a_revision_larger_than_a_message_comes_as_one() {
    const KEYS: usize = 5_000;
    let (_cluster, client) = one_member("").await;
    let value = vec![7; 1_000];
    for chunk in (0..KEYS).collect::<Vec<_>>().chunks(125) {
        let puts = chunk
            .iter()
            .map(|index| Op::put(format!("bulk/{index:05}"), value.clone()));
        puts.fold(client.txn(), |txn, put| txn.then(put)).await.unwrap();
    }
    let mut watch = client.watch(Keys::prefix("bulk/")).previous(true).await.unwrap();
    let deleted = client.delete(Keys::prefix("bulk/")).await.unwrap();
    assert_eq!(deleted.deleted, KEYS as u64);
    let told = batch(&mut watch).await;
    assert_eq!((told.revision, told.events.len()), (deleted.revision, KEYS));
    for (index, event) in key_events(&told).into_iter().enumerate() {
        assert_eq!(event.key(), format!("bulk/{index:05}").as_bytes());
        assert_eq!(event.previous.as_ref().unwrap().value, value);
    }
    client.put("bulk/after", "v").await.unwrap();
    assert_eq!(batch(&mut watch).await.revision, deleted.revision + 1);
}

#[tokio::test]
async fn revision_zero_and_no_start_at_all_are_refused() {
    let (cluster, _client) = one_member("").await;
    let mut stream = Stream::open(&cluster).await;
    stream.create(1, "a", Start::FromRevision(0)).await;
    let error = stream.refusal().await;
    assert_eq!(
        (error.code(), &error.field[..]),
        (v1::ErrorCode::InvalidArgument, "from_revision")
    );
    // The stream goes on.
    stream.create(1, "a", Start::Now(v1::WatchNow {})).await;
    assert!(matches!(stream.next().await, Message::Created(_)));
}

#[tokio::test]
async fn a_request_that_is_too_large_ends_its_own_watch_only() {
    let (cluster, client) = one_member("request_bytes_max = 65536\nvalue_bytes_max = 1024").await;
    let mut stream = Stream::open(&cluster).await;
    stream.create(1, "k", Start::Now(v1::WatchNow {})).await;
    assert!(matches!(stream.next().await, Message::Created(_)));
    stream.create(2, &"k".repeat(70_000), Start::Now(v1::WatchNow {})).await;
    let error = stream.refusal().await;
    assert_eq!((error.code(), error.limit), (v1::ErrorCode::TooLarge, 65_536));
    let revision = client.put("k", "v").await.unwrap().revision;
    match stream.next().await {
        Message::Events(events) => assert_eq!((events.watch_ids, events.revision), (vec![1], revision)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_revision_that_was_not_reached_is_waited_for() {
    let (_cluster, client) = one_member("").await;
    let newest = client.put("k", "v").await.unwrap().revision;
    let mut watch = client.watch("k").from(newest + 3).await.unwrap();
    for _ in 0..5 {
        client.put("k", "v").await.unwrap();
    }
    assert_eq!(revisions(&mut watch, 3).await, [newest + 3, newest + 4, newest + 5]);
}

#[tokio::test]
async fn a_compacted_revision_is_refused_with_the_oldest_that_works() {
    let (_cluster, client) = one_member("").await;
    for _ in 0..10 {
        client.put("k", "v").await.unwrap();
    }
    client.compact(6).await.unwrap();
    let error = client.watch("k").from(5).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Compacted { boundary: 6 }, "{error}");
    let mut watch = client.watch("k").from(6).await.unwrap();
    assert_eq!(revisions(&mut watch, 6).await, [6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn a_malformed_selector_is_refused_with_its_field() {
    let (_cluster, client) = one_member("").await;
    let refused = [
        client.watch("").await,
        client.watch(Keys::key("")).await,
        client.watch("k*".repeat(4_000)).await,
        client.watch("k").and(Watched::locks(Keys::pattern(""))).await,
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        let field = match error.kind() {
            ErrorKind::InvalidArgument { field, .. } | ErrorKind::TooLarge { field, .. } => field,
            other => panic!("{other:?}: {error}"),
        };
        assert!(field.contains("key"), "{field}: {error}");
    }
    let error = client.watch("k").domain("nowhere").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnknownDomain, "{error}");
}

#[tokio::test]
async fn a_watch_too_many_is_refused_with_the_limit_until_another_ends() {
    let (_cluster, client) = one_member("watches_max = 3").await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(client.watch("k").await.unwrap());
    }
    let error = client.watch("k").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::LimitReached { limit: 3, value: 4 }, "{error}");
    watches.pop();
    let room = wait::until("room for another watch", PATIENCE, async || client.watch("k").await);
    let mut last = room.await.unwrap();
    let revision = client.put("k", "v").await.unwrap().revision;
    assert_eq!(batch(&mut last).await.revision, revision);
}

#[tokio::test]
async fn a_client_that_never_reads_is_cancelled_with_the_revision_to_resume_from() {
    let (cluster, client) = one_member("watch_stall_ms_max = 300\nwatches_max = 2").await;
    let mut deaf = Stream::open(&cluster).await;
    deaf.create(9, "k", Start::Now(v1::WatchNow {})).await;
    assert!(matches!(deaf.next().await, Message::Created(_)));
    let mut other = client.watch("k").await.unwrap();
    // More than the connection and the member hold for a watch.
    let mut written = Vec::new();
    for _ in 0..40 {
        written.push(client.put("k", vec![7; 100_000]).await.unwrap().revision);
        assert_eq!(batch(&mut other).await.revision, written[written.len() - 1]);
    }
    // The member has room for another watch when it has cancelled this one.
    let room = wait::until("the watch to be cancelled", PATIENCE, async || client.watch("k").await);
    drop(room.await.unwrap());
    let mut told = Vec::new();
    let error = loop {
        match deaf.next().await {
            Message::Events(events) => told.push(events.revision),
            Message::Canceled(canceled) => break canceled.error.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error.code(), v1::ErrorCode::Lagged, "{error:?}");
    assert!(told.len() < written.len());
    assert_eq!(told, written[..told.len()], "what came has no gap");
    assert_eq!(error.boundary, written[told.len()]);
    // The other one that took its room is cancelled by and by.
    let resumed = async || {
        deaf.create(10, "k", Start::FromRevision(error.boundary)).await;
        match deaf.next().await {
            Message::Created(created) => Ok(created.revision),
            other => Err(format!("{other:?}")),
        }
    };
    let resumed = wait::until("the watch to resume", PATIENCE, resumed).await;
    assert_eq!(resumed.unwrap(), error.boundary - 1);
    for expected in &written[told.len()..] {
        match deaf.next().await {
            Message::Events(events) => assert_eq!(events.revision, *expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_consumer_that_is_slow_gets_everything_in_its_own_time() {
    let (_cluster, client) = one_member("").await;
    let mut slow = client.watch("k").buffer(8).await.unwrap();
    let quick = client.watch("k").await.unwrap();
    let mut written = Vec::new();
    for _ in 0..200 {
        written.push(client.put("k", "v").await.unwrap().revision);
    }
    let told: Vec<u64> = quick
        .take(200)
        .map(|item| match item.unwrap() {
            WatchItem::Events(batch) => batch.revision,
            other => panic!("{other:?}"),
        })
        .collect()
        .await;
    assert_eq!(told, written);
    assert_eq!(slow.backlog(), 8);
    assert_eq!(revisions(&mut slow, 200).await, written);
}

#[tokio::test]
async fn marks_come_while_nothing_happens() {
    let (_cluster, client) = one_member("").await;
    let mut watch = client.watch("k").marks(Duration::from_millis(100)).await.unwrap();
    let revision = client.put("elsewhere", "v").await.unwrap().revision;
    loop {
        let item = timeout(PATIENCE, watch.next()).await.expect("a mark comes");
        match item.unwrap().unwrap() {
            WatchItem::Mark { revision: reached } if reached >= revision => break,
            WatchItem::Mark { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(watch.position() >= revision);
}
