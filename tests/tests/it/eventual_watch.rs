//! The newest values of the eventual tier reach whoever watches, at any member, across faults; tiers do not mix.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use quorate::{
    Client, ErrorKind, EventualUpdate, EventualUpdateKind, EventualWatch, EventualWatchItem, Keys, Strategy, WatchItem,
    Watched,
};
use quorate_proto::v1;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_create::Start;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use quorate_tests::cluster::{Cluster, Settings, server_binary};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::watch::PATIENCE;

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

/// Reads until the key has the value; how many updates there were.
async fn until_value(watch: &mut EventualWatch, key: &str, value: &str) -> usize {
    for updates in 1.. {
        let item = next(watch).await;
        if let EventualWatchItem::Changed(update) = item
            && update.key == key
            && update.value == value
        {
            return updates;
        }
    }
    unreachable!("it reads until it returns")
}

async fn cluster_of(members: u64) -> Cluster {
    let mut cluster = Cluster::start(members).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    cluster
}

/// One stream over plain gRPC: the SDK would not mix.
struct Stream {
    requests: mpsc::Sender<v1::WatchRequest>,
    responses: tonic::Streaming<v1::WatchResponse>,
    read: Vec<Message>,
}

fn selector(space: v1::WatchSpace, domain: &str) -> v1::WatchSelector {
    v1::WatchSelector {
        space: space.into(),
        domain: domain.to_owned(),
        keys: Some(v1::KeySelector {
            kind: Some(v1::key_selector::Kind::Prefix("".into())),
        }),
    }
}

fn keys_of(domains: &[&str], latest: bool) -> v1::WatchCreate {
    v1::WatchCreate {
        selectors: domains
            .iter()
            .map(|domain| selector(v1::WatchSpace::Keys, domain))
            .collect(),
        start: Some(Start::Now(v1::WatchNow {})),
        latest,
        ..Default::default()
    }
}

impl Stream {
    async fn open(endpoint: &str) -> Stream {
        let (requests, outgoing) = mpsc::channel(64);
        let outgoing = futures::stream::unfold(outgoing, |mut outgoing| async move {
            let request = outgoing.recv().await?;
            Some((request, outgoing))
        });
        let mut client = WatchClient::connect(format!("http://{endpoint}")).await.unwrap();
        Stream {
            responses: client.open(outgoing).await.unwrap().into_inner(),
            requests,
            read: Vec::new(),
        }
    }

    async fn create(&self, watch_id: u64, create: v1::WatchCreate) {
        let request = Some(Request::Create(v1::WatchCreate { watch_id, ..create }));
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

    async fn refusal(&mut self, create: v1::WatchCreate) -> v1::Error {
        self.create(9, create).await;
        match self.next().await {
            Message::Canceled(canceled) => canceled.error.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_written_at_one_member_is_told_at_every_other() {
    let cluster = cluster_of(3).await;
    let writer = cluster.client_of(1).await.unwrap();
    let mut watches = Vec::new();
    for id in cluster.ids() {
        let client = cluster.client_of(id).await.unwrap();
        watches.push(client.eventual().watch(Keys::prefix("progress/")).await.unwrap());
    }
    let eventual = writer.eventual();
    eventual.put("other", "not selected").await.unwrap();
    for number in 0..20 {
        eventual.put("progress/1", number.to_string()).await.unwrap();
    }
    eventual.counter("progress/count").add(5).await.unwrap();
    eventual.set("progress/team").add(["ann"]).await.unwrap();
    for watch in &mut watches {
        let mut told = BTreeMap::new();
        while told.get("progress/1").is_none_or(|value| value != "19") || told.len() < 3 {
            let update = update(watch).await;
            assert_eq!(
                (update.domain.as_str(), update.kind),
                ("default-eventual", EventualUpdateKind::Put)
            );
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            told.insert(text(&update.key), text(&update.value));
        }
        let told: Vec<_> = told.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [("progress/1", "19"), ("progress/count", "5"), ("progress/team", "")]
        );
    }
    eventual.delete("progress/1").await.unwrap();
    for watch in &mut watches {
        let gone = update(watch).await;
        assert_eq!(
            (&gone.key[..], gone.kind),
            (&b"progress/1"[..], EventualUpdateKind::Delete)
        );
    }
}

#[tokio::test]
async fn siblings_are_told_and_so_is_that_they_were_made_one() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    let eventual = client.eventual();
    let mut watch = eventual.watch("cart").await.unwrap();
    let put = |value: &'static str| eventual.put("cart", value).strategy(Strategy::Siblings);
    put("a").await.unwrap();
    assert_eq!(update(&mut watch).await.siblings, 0);
    put("b").await.unwrap();
    let both = update(&mut watch).await;
    assert_eq!((both.siblings, &both.value[..]), (2, &b"b"[..]));
    eventual.resolve_with("cart", |_| "ab".into()).await.unwrap();
    let one = update(&mut watch).await;
    assert_eq!((one.siblings, &one.value[..]), (0, &b"ab"[..]));
}

#[tokio::test]
async fn ten_thousand_writes_of_a_key_are_few_events_for_a_slow_reader_and_the_last_is_the_newest() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    let mut watch = client.eventual().watch("hot").await.unwrap();
    // Larger than what can be on its way, so that the member has to hold back.
    let value = |number: u64| format!("{number:>60000}");
    let batch = client.eventual().batch().open().unwrap();
    for number in 0..2_000 {
        batch.put("hot", value(number)).await.unwrap();
    }
    assert_eq!(batch.close().await.failed.len(), 0);
    let eventual = client.eventual();
    for number in 0..10_000 {
        eventual.put("hot", number.to_string()).await.unwrap();
    }
    let updates = until_value(&mut watch, "hot", "9999").await;
    assert!(updates < 500, "{updates} updates");
}

#[tokio::test]
async fn what_there_is_comes_first_then_what_changes_and_all_again_from_another_member() {
    let mut cluster = cluster_of(3).await;
    let client = cluster.client().await.unwrap();
    let eventual = client.eventual();
    for number in 0..300 {
        eventual.put(format!("t/{number}"), "old").acks(3).await.unwrap();
    }
    let endpoints = cluster.endpoints();
    let watcher = Client::builder().endpoints(endpoints).connect().await.unwrap();
    let mut watch = watcher.eventual().watch(Keys::prefix("t/")).existing().await.unwrap();
    let read_all = async |watch: &mut EventualWatch| {
        let mut keys = std::collections::BTreeSet::new();
        loop {
            match next(watch).await {
                EventualWatchItem::Changed(update) => drop(keys.insert(update.key)),
                EventualWatchItem::CaughtUp => return keys.len(),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(read_all(&mut watch).await, 300);
    eventual.put("t/new", "v").acks(3).await.unwrap();
    until_value(&mut watch, "t/new", "v").await;
    // Whichever member serves it is among those that are killed, one after the other.
    let mut restarts = 0;
    for id in cluster.ids() {
        cluster.kill9(id).unwrap();
        let other = id % 3 + 1;
        let survivor = cluster.client_of(other).await.unwrap();
        let value = id.to_string();
        survivor.eventual().put("t/after", value.clone()).acks(2).await.unwrap();
        loop {
            match next(&mut watch).await {
                EventualWatchItem::Changed(update) if update.key == "t/after" && update.value == value => break,
                EventualWatchItem::Restarted => restarts += 1,
                _ => {}
            }
        }
        cluster.restart(id).unwrap();
        cluster.wait_for_leader().await.unwrap();
        let endpoint = cluster.member(other).unwrap().client_address().to_owned();
        survivor.eventual_admin().sync_force(&endpoint, PATIENCE).await.unwrap();
    }
    assert!((1..=3).contains(&restarts), "{restarts}");
}

#[tokio::test]
async fn a_member_without_a_quorum_goes_on_telling() {
    let mut cluster = cluster_of(3).await;
    let client = cluster.client_of(1).await.unwrap();
    for id in [2, 3] {
        cluster.kill9(id).unwrap();
    }
    let mut watch = client.eventual().watch("k").await.unwrap();
    client.eventual().put("k", "v").await.unwrap();
    assert_eq!(update(&mut watch).await.value, "v");
}

#[tokio::test]
async fn what_expires_is_told_to_have_expired() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    for domain in ["", "ephemeral"] {
        let eventual = client.eventual_in(domain);
        let mut watch = eventual.watch("beat").await.unwrap();
        eventual.put("beat", "v").ttl(Duration::from_millis(300)).await.unwrap();
        assert_eq!(update(&mut watch).await.kind, EventualUpdateKind::Put);
        assert_eq!(update(&mut watch).await.kind, EventualUpdateKind::Expire, "{domain:?}");
    }
}

#[tokio::test]
async fn watches_of_both_tiers_share_a_stream_but_no_watch_is_of_both() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    let mut stream = Stream::open(&cluster.endpoints()[0]).await;
    let tier_mismatch: i32 = v1::ErrorCode::TierMismatch.into();
    let mixed = [
        keys_of(&["default-eventual", "default"], true),
        keys_of(&["default", "default-eventual"], false),
        keys_of(&["default"], true),
        keys_of(&["cache"], false),
        v1::WatchCreate {
            selectors: vec![
                selector(v1::WatchSpace::Keys, "cache"),
                selector(v1::WatchSpace::Locks, ""),
            ],
            ..keys_of(&[], true)
        },
    ];
    for create in mixed {
        let refused = stream.refusal(create).await;
        assert_eq!(refused.code, tier_mismatch, "{refused:?}");
        assert!(refused.message.contains("latest"), "{}", refused.message);
    }
    let refusals = [
        (
            "from_revision",
            7,
            v1::WatchCreate {
                start: Some(Start::FromRevision(7)),
                ..keys_of(&[""], true)
            },
        ),
        (
            "previous",
            0,
            v1::WatchCreate {
                previous: true,
                ..keys_of(&[""], true)
            },
        ),
        (
            "mark_interval_ms",
            100,
            v1::WatchCreate {
                mark_interval_ms: 100,
                ..keys_of(&[""], true)
            },
        ),
        ("selectors", 0, keys_of(&[], true)),
        ("domain", 0, keys_of(&["nowhere"], true)),
    ];
    for (field, value, create) in refusals {
        let refused = stream.refusal(create).await;
        assert_eq!((refused.field.as_str(), refused.value), (field, value), "{refused:?}");
    }

    stream.create(1, keys_of(&["default"], false)).await;
    stream.create(2, keys_of(&["cache", "default-eventual"], true)).await;
    let mut created = Vec::new();
    for _ in 0..2 {
        match stream.next().await {
            Message::Created(one) => created.push(one.watch_id),
            other => panic!("{other:?}"),
        }
    }
    created.sort_unstable();
    assert_eq!(created, [1, 2]);
    client.put("k", "strong").await.unwrap();
    client.eventual().put("k", "eventual").await.unwrap();
    client.eventual_in("cache").put("k", "cached").await.unwrap();
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 3 {
        match stream.next().await {
            Message::Events(events) => {
                told.insert((events.watch_ids[0], events.revision > 0, events.events.len()));
                for event in events.events {
                    let event = <v1::WatchEvent as prost::Message>::decode(event).unwrap();
                    let Some(v1::watch_event::Event::Key(key)) = event.event else {
                        panic!("an event of a key");
                    };
                    told.insert((100, key.domain == "default", key.record.unwrap().value.len()));
                }
                if told.iter().filter(|(id, ..)| *id == 100).count() == 3 {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(told.contains(&(1, true, 1)) && told.iter().any(|(id, of_revision, _)| *id == 2 && !of_revision));
    // A probe of all watches is answered for the one that has revisions.
    let probe = Request::Probe(v1::WatchProbe {
        probe_id: 5,
        watch_ids: Vec::new(),
        linearizable: true,
    });
    let request = Some(probe);
    stream.requests.send(v1::WatchRequest { request }).await.unwrap();
    loop {
        match stream.next().await {
            Message::Mark(mark) => {
                assert_eq!((mark.probe_id, mark.watch_ids, mark.again), (5, vec![1], false));
                break;
            }
            Message::Events(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_probe_is_answered_also_where_no_watch_has_revisions() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    let mut stream = Stream::open(&cluster.endpoints()[0]).await;
    stream.create(1, keys_of(&["cache"], true)).await;
    assert!(matches!(stream.next().await, Message::Created(_)));
    let written = client.put("k", "v").await.unwrap().revision;
    let request = Some(Request::Probe(v1::WatchProbe {
        probe_id: 3,
        watch_ids: Vec::new(),
        linearizable: true,
    }));
    stream.requests.send(v1::WatchRequest { request }).await.unwrap();
    match stream.next().await {
        Message::Mark(mark) => {
            assert_eq!((mark.probe_id, mark.watch_ids.len(), mark.error), (3, 0, None));
            assert!(mark.revision >= written);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_sdk_refuses_the_other_tier_on_either_side() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    let refused = client.eventual_in("default").watch("k").await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::TierMismatch), "{refused:?}");
    let refused = client.watch(Watched::keys("k").domain("cache")).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::TierMismatch), "{refused:?}");
    let refused = client.eventual_in("nowhere").watch("k").await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::UnknownDomain), "{refused:?}");
    // The strong one is as it was.
    let mut watch = client.watch("k").await.unwrap();
    client.eventual().put("k", "v").await.unwrap();
    let revision = client.put("k", "v").await.unwrap().revision;
    match timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap() {
        WatchItem::Events(batch) => assert_eq!(batch.revision, revision),
        other => panic!("{other:?}"),
    }
}

/// What the member has in memory, in KiB.
fn resident_kib(cluster: &Cluster, id: u64) -> u64 {
    let pid = cluster.member(id).unwrap().pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_and_gets_the_newest_values_later() {
    let mut settings = Settings::of(1);
    settings.more_toml = "[limits]\nwatch_stall_ms_max = 600000\n".to_owned();
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let mut watch = client.eventual().watch(Keys::prefix("t/")).await.unwrap();
    let value = |round: usize| format!("{round:>4096}");
    let round = async |round: usize| {
        let batch = client.eventual().batch().open().unwrap();
        for key in 0..1_000 {
            batch.put(format!("t/{key}"), value(round)).await.unwrap();
        }
        assert_eq!(batch.close().await.failed.len(), 0);
    };
    for first in 0..3 {
        round(first).await;
    }
    let before = resident_kib(&cluster, 1);
    // 120 MiB are written past the reader.
    for later in 3..33 {
        round(later).await;
    }
    let grown = resident_kib(&cluster, 1).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more");
    let mut held = BTreeMap::new();
    while held.len() < 1_000 || held.values().any(|held| *held != value(32)) {
        if let EventualWatchItem::Changed(update) = next(&mut watch).await {
            held.insert(update.key, update.value);
        }
    }
}

#[tokio::test]
async fn the_command_line_shows_a_line_for_each_change() {
    let cluster = cluster_of(1).await;
    let client = cluster.client().await.unwrap();
    client.eventual().put("t/1", "a").await.unwrap();
    client.eventual().counter("t/2").add(7).await.unwrap();
    let watch = async |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let endpoints = cluster.endpoints().join(",");
        let output = tokio::task::spawn_blocking(move || {
            Command::new(server_binary().unwrap())
                .args(["eventual", "watch"])
                .args(arguments)
                .env("QUORATE_ENDPOINTS", endpoints)
                .stdin(Stdio::null())
                .output()
                .unwrap()
        });
        let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let lines = watch(&["t/", "--prefix", "--existing", "--count", "2"]).await;
    assert_eq!(lines, ["put        counter   t/2  7", "put        register  t/1  a"]);
    let lines = watch(&["t/1", "--existing", "--for", "1s", "-o", "json"]).await;
    let objects: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let put = serde_json::json!({
        "kind": "put", "domain": "default-eventual", "type": "register", "key": "t/1", "value": "a", "siblings": 0,
    });
    assert_eq!(objects, [put, serde_json::json!({ "kind": "caught-up" })]);
}
