//! Subscriptions over a tier in memory, through the outbox of a stream, without the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;
use prost::Message as _;
use quorate_eventual::{Action, ActorId, Address, Moment, Place, ShardNumber, Space as Kind, Strategy, Write};
use quorate_proto::v1::{self as proto, KeyEventKind, ResponseHeader, watch_event, watch_message};

use super::Subscriptions;
use super::pending::{Changed, PENDING_BYTES_MAX, PENDING_KEYS_MAX, Pending};
use crate::environment::SystemClock;
use crate::eventual::{EventualOptions, Tier};
use crate::mvcc::Selector;
use crate::state_machine::StateStore;
use crate::storage::{Engine, MemoryEngine};
use crate::types::{DomainId, Revision, Space};
use crate::watch::{Hub, HubLimits, Shape, WatchSpec, WatchStream};

const PATIENCE: Duration = Duration::from_secs(30);
const DOMAIN: u32 = 7;

struct Member {
    tier: Arc<Tier>,
    hub: Arc<Hub>,
    subscriptions: Arc<Subscriptions>,
    _directory: tempfile::TempDir,
}

impl Member {
    fn new(limits: HubLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = MemoryEngine::new();
        let open = move |_: &Path, _| Ok(Arc::new(engine.clone()) as Arc<dyn Engine>);
        let (store, _) = StateStore::open(directory.path(), Arc::new(open)).unwrap();
        let tier = Tier::new(ActorId(1), EventualOptions::default(), Arc::new(SystemClock));
        let header = Box::new(|_: Revision| ResponseHeader::default());
        Self {
            hub: Hub::start(store, Arc::new(SystemClock), header, limits),
            subscriptions: Subscriptions::start(Arc::clone(&tier)),
            tier,
            _directory: directory,
        }
    }

    fn write(&self, kind: Kind, name: &str, element: Option<&str>, action: Action<'_>, ttl_ms: u64) {
        let place = Place::of(Address {
            domain: DOMAIN,
            space: kind,
            name: name.as_bytes(),
            element: element.map(str::as_bytes),
        });
        let now_ms = self.tier.wall_ms();
        let write = Write {
            place: &place,
            action,
            context: None,
            expires_at_ms: if ttl_ms == 0 { 0 } else { now_ms + ttl_ms },
        };
        let moment = Moment {
            now_ms,
            predecessors: &[],
        };
        let shard = place.shard(false);
        self.tier.store.lock(shard).write(&write, moment).unwrap();
        self.tier.wrote([shard]);
    }

    fn put(&self, name: &str, value: &str) {
        self.write(
            Kind::Register,
            name,
            None,
            put(value.as_bytes(), Strategy::LastWrite),
            0,
        );
    }

    fn delete(&self, name: &str) {
        self.write(Kind::Register, name, None, Action::Delete, 0);
    }

    fn subscribe(&self, stream: &WatchStream, id: u64, spec: WatchSpec, existing: bool) {
        let key = stream.add(id, spec).unwrap();
        stream.subscribe(key, &self.subscriptions, existing);
    }

    /// Drops what has ended, as the sweep does.
    fn sweep(&self, now_ms: u64) {
        for shard in ShardNumber::all() {
            self.tier.store.lock(shard).drop_ended(now_ms, usize::MAX);
        }
    }
}

const LIMITS: HubLimits = HubLimits {
    watches_max: 10,
    stall_max: Duration::from_secs(3600),
    cache_lease: Duration::from_secs(1),
};

fn put(value: &[u8], strategy: Strategy) -> Action<'_> {
    Action::Put {
        value,
        strategy,
        written: None,
    }
}

fn spec(selector: Selector) -> WatchSpec {
    WatchSpec {
        selectors: vec![(Space::Keys(DomainId(DOMAIN)), selector)],
        domains: vec![(DomainId(DOMAIN), "progress".to_owned())],
        no_puts: false,
        no_deletes: false,
        shape: Shape::default(),
        mark_interval: None,
        latest: Some(Vec::new()),
        cache: None,
    }
}

fn all() -> WatchSpec {
    spec(Selector::Prefix(Vec::new()))
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Created(u64),
    Event(u64, KeyEventKind, String, String, u32),
    Mark(u64, bool),
    Canceled(u64, i32),
}

/// Reads a stream.
struct Client {
    stream: Arc<WatchStream>,
    told: std::collections::VecDeque<Told>,
}

impl Client {
    fn new(member: &Member) -> Self {
        Self {
            stream: member.hub.open(),
            told: std::collections::VecDeque::new(),
        }
    }

    fn take_in(&mut self, response: proto::WatchResponse) {
        for message in response.messages {
            match message.message.unwrap() {
                watch_message::Message::Created(created) => {
                    assert_eq!(created.revision, 0);
                    self.told.push_back(Told::Created(created.watch_id));
                }
                watch_message::Message::Events(events) => {
                    assert!(events.revision == 0 && !events.more && events.watch_ids.len() == 1);
                    for event in events.events {
                        self.told.push_back(event_told(events.watch_ids[0], event));
                    }
                }
                watch_message::Message::Mark(mark) => {
                    self.told.push_back(Told::Mark(mark.watch_ids[0], mark.again));
                }
                watch_message::Message::Canceled(canceled) => {
                    let code = canceled.error.map_or(0, |error| error.code);
                    self.told.push_back(Told::Canceled(canceled.watch_id, code));
                }
                other => panic!("no cache is here: {other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Told {
        while self.told.is_empty() {
            let taken = tokio::time::timeout(PATIENCE, self.stream.outbox().take()).await;
            let response = taken.expect("something comes").unwrap().unwrap();
            self.take_in(response);
        }
        self.told.pop_front().unwrap()
    }

    /// Key and value of the next event, which is a put.
    async fn put(&mut self) -> (String, String) {
        match self.next().await {
            Told::Event(_, KeyEventKind::Put, key, value, _) => (key, value),
            other => panic!("{other:?}"),
        }
    }
}

fn event_told(id: u64, event: bytes::Bytes) -> Told {
    let Some(watch_event::Event::Key(key)) = proto::WatchEvent::decode(event).unwrap().event else {
        panic!("an event of a key");
    };
    assert_eq!(key.domain, "progress");
    let (kind, siblings) = (key.kind(), key.siblings);
    let record = key.record.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Told::Event(id, kind, text(&record.key), text(&record.value), siblings)
}

#[tokio::test]
async fn however_often_a_key_changes_a_client_that_does_not_read_gets_few_events_and_the_last_value() {
    let member = Member::new(LIMITS);
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    for number in 0..10_000 {
        member.put("hot", &number.to_string());
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(client.next().await, Told::Created(1));
    let mut events = 0;
    loop {
        events += 1;
        let (key, value) = client.put().await;
        assert_eq!(key, "hot");
        if value == "9999" {
            break;
        }
    }
    assert!(events <= 3, "{events} events");
}

#[tokio::test]
async fn existing_keys_come_first_then_a_mark_then_what_changes() {
    let member = Member::new(LIMITS);
    for number in 0..500 {
        member.put(&format!("t/{number}"), "old");
    }
    member.put("other", "not selected");
    member.put("t/gone", "old");
    member.delete("t/gone");
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, spec(Selector::Prefix(b"t/".to_vec())), true);
    assert_eq!(client.next().await, Told::Created(1));
    let mut found = BTreeSet::new();
    loop {
        match client.next().await {
            Told::Event(1, KeyEventKind::Put, key, value, 0) => {
                assert_eq!(value, "old");
                assert!(found.insert(key), "a key came twice");
            }
            Told::Mark(1, false) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(found.len(), 500);
    member.put("other", "not selected");
    member.put("t/3", "new");
    assert_eq!(client.put().await, ("t/3".to_owned(), "new".to_owned()));
    member.delete("t/3");
    let gone = Told::Event(1, KeyEventKind::Delete, "t/3".to_owned(), String::new(), 0);
    assert_eq!(client.next().await, gone);
}

#[tokio::test]
async fn each_type_is_told_with_what_it_has_for_a_value() {
    let member = Member::new(LIMITS);
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    assert_eq!(client.next().await, Told::Created(1));
    let event =
        |kind, key: &str, value: &str, siblings| Told::Event(1, kind, key.to_owned(), value.to_owned(), siblings);
    member.write(Kind::Counter, "c", None, Action::Add(5), 0);
    assert_eq!(client.next().await, event(KeyEventKind::Put, "c", "5", 0));
    member.write(Kind::Register, "s", None, put(b"a", Strategy::Siblings), 0);
    assert_eq!(client.next().await, event(KeyEventKind::Put, "s", "a", 0));
    member.write(Kind::Register, "s", None, put(b"b", Strategy::Siblings), 0);
    assert_eq!(client.next().await, event(KeyEventKind::Put, "s", "b", 2));
    for element in ["x", "y"] {
        member.write(Kind::Set, "set", Some(element), put(b"", Strategy::LastWrite), 0);
        assert_eq!(client.next().await, event(KeyEventKind::Put, "set", "", 0));
    }
    member.write(Kind::Set, "set", Some("x"), Action::Delete, 0);
    assert_eq!(client.next().await, event(KeyEventKind::Put, "set", "", 0));
    member.write(Kind::Set, "set", Some("y"), Action::Delete, 0);
    assert_eq!(client.next().await, event(KeyEventKind::Delete, "set", "", 0));
}

#[tokio::test]
async fn a_value_that_ends_is_told_to_have_expired() {
    let member = Member::new(LIMITS);
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    assert_eq!(client.next().await, Told::Created(1));
    member.write(Kind::Register, "k", None, put(b"v", Strategy::LastWrite), 50);
    assert_eq!(client.put().await.0, "k");
    tokio::time::sleep(Duration::from_millis(60)).await;
    member.sweep(member.tier.wall_ms() + 10_000);
    let expired = Told::Event(1, KeyEventKind::Expire, "k".to_owned(), String::new(), 0);
    assert_eq!(client.next().await, expired);
}

#[tokio::test]
async fn filters_and_shapes_are_those_of_every_watch() {
    let member = Member::new(LIMITS);
    let mut client = Client::new(&member);
    let puts = WatchSpec {
        no_deletes: true,
        shape: Shape {
            keys_only: true,
            ..Shape::default()
        },
        ..all()
    };
    let deletes = WatchSpec { no_puts: true, ..all() };
    member.subscribe(&client.stream, 1, puts, false);
    member.subscribe(&client.stream, 2, deletes, false);
    assert_eq!(
        (client.next().await, client.next().await),
        (Told::Created(1), Told::Created(2))
    );
    member.put("k", "v");
    assert_eq!(client.put().await, ("k".to_owned(), String::new()));
    member.delete("k");
    assert!(matches!(client.next().await, Told::Event(2, KeyEventKind::Delete, ..)));
    member.put("last", "v");
    assert_eq!(client.put().await.0, "last", "neither got what it had left out");
}

#[tokio::test]
async fn past_its_bound_a_subscription_gets_everything_again_and_nothing_newest_is_missed() {
    let member = Member::new(LIMITS);
    for number in 0..PENDING_KEYS_MAX + 1_000 {
        member.put(&format!("{number}"), "old");
    }
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    member.put("first", "v");
    // The client does not read: one message is in the outbox, the rest is pending, until it is too much.
    let mut pending_max = 0;
    for number in 0..PENDING_KEYS_MAX + 1_000 {
        member.put(&format!("{number}"), "new");
        if number % 1_000 == 0 {
            tokio::time::sleep(Duration::from_millis(3)).await;
            pending_max = pending_max.max(member.subscriptions.pending_bytes());
        }
    }
    member.delete("17");
    assert!((1..=PENDING_BYTES_MAX).contains(&pending_max), "{pending_max} bytes");
    // What it holds in the end is what there is.
    let mut held = BTreeMap::new();
    let mut agains = 0;
    loop {
        match client.next().await {
            Told::Created(_) => {}
            Told::Event(_, KeyEventKind::Put, key, value, _) => {
                held.insert(key, value);
            }
            Told::Event(_, _, key, ..) => {
                held.remove(&key);
            }
            Told::Mark(_, true) => {
                held.clear();
                agains += 1;
            }
            Told::Mark(_, false) => break,
            other @ Told::Canceled(..) => panic!("{other:?}"),
        }
    }
    assert!(agains >= 1);
    member.put("last", "v");
    while let (key, value) = client.put().await
        && key != "last"
    {
        held.insert(key, value);
    }
    assert_eq!(held.len(), PENDING_KEYS_MAX + 1_000, "all but 17, and first");
    assert!(!held.contains_key("17"));
    let old = held.iter().filter(|(key, value)| *key != "first" && *value != "new");
    assert_eq!(old.count(), 0);
}

#[tokio::test]
async fn ids_limits_and_ends_are_those_of_every_watch() {
    let member = Member::new(HubLimits {
        watches_max: 2,
        ..LIMITS
    });
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    assert!(client.stream.add(1, all()).is_err(), "the id is in use");
    member.subscribe(&client.stream, 2, all(), false);
    assert!(client.stream.add(3, all()).is_err(), "there are as many as may be");
    client.stream.cancel(1);
    for told in [Told::Created(1), Told::Created(2), Told::Canceled(1, 0)] {
        assert_eq!(client.next().await, told);
    }
    member.put("k", "v");
    assert!(matches!(client.next().await, Told::Event(2, ..)));
    member.subscribe(&client.stream, 1, all(), false);
    assert_eq!(client.next().await, Told::Created(1));
    drop(client);
    // Nobody watches: nothing is noted any more.
    member.put("k", "w");
    for shard in ShardNumber::all() {
        assert_eq!(member.tier.store.lock(shard).take_unseen().keys, []);
    }
    assert_eq!(member.subscriptions.pending_bytes(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_for_too_long_is_sent_away() {
    let member = Member::new(HubLimits {
        stall_max: Duration::from_millis(50),
        ..LIMITS
    });
    let mut client = Client::new(&member);
    member.subscribe(&client.stream, 1, all(), false);
    let outbox = Arc::clone(client.stream.outbox());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // Nothing is taken, and something always waits.
    while !outbox.watches().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it was not sent away");
        member.put("k", "v");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut told = Vec::new();
    while let Some(Some(Ok(response))) = client.stream.outbox().take().now_or_never() {
        client.take_in(response);
        told.extend(client.told.drain(..));
    }
    let lagged = proto::ErrorCode::Lagged.into();
    assert_eq!(told, [Told::Created(1), Told::Canceled(1, lagged)]);
}

fn changed(key: &[u8], ended: bool) -> Changed {
    Changed {
        shard: ShardNumber::new(0).unwrap(),
        key: key.into(),
        ended,
    }
}

#[test]
fn a_key_that_changes_all_the_time_holds_up_no_other() {
    let mut pending = Pending::default();
    let mut taken = Vec::new();
    for key in [b"b", b"c", b"d"] {
        assert!(pending.put(&changed(key, false)));
    }
    for _ in 0..5 {
        assert!(pending.put(&changed(b"a", false)));
        taken.push(pending.take().unwrap().key[0]);
    }
    assert_eq!(taken, *b"abcda");
}

#[test]
fn pending_is_bounded_in_keys_and_in_bytes() {
    let mut pending = Pending::default();
    for number in 0..PENDING_KEYS_MAX {
        assert!(pending.put(&changed(&number.to_be_bytes(), false)));
    }
    assert!(!pending.put(&changed(b"one more", false)));
    assert!(
        pending.put(&changed(&0_usize.to_be_bytes(), true)),
        "it is there already"
    );
    let mut pending = Pending::default();
    let large = vec![0; PENDING_BYTES_MAX / 2];
    assert!(pending.put(&changed(&large, false)));
    assert!(!pending.put(&changed(&[&large[..], b"x"].concat(), false)));
}

proptest! {
    #[test]
    fn what_is_pending_is_each_key_once_with_the_last_that_happened_to_it(
        steps in prop::collection::vec((0_u8..6, any::<bool>(), prop::bool::weighted(0.3)), 0..60),
    ) {
        let mut pending = Pending::default();
        let mut model: BTreeMap<u8, bool> = BTreeMap::new();
        for (key, ended, takes) in steps {
            if takes {
                let taken = pending.take().map(|taken| (taken.key[0], taken.ended));
                prop_assert_eq!(taken.is_some(), !model.is_empty());
                if let Some((key, ended)) = taken {
                    prop_assert_eq!(model.remove(&key), Some(ended));
                }
            } else {
                prop_assert!(pending.put(&changed(&[key], ended)));
                model.insert(key, ended);
            }
            prop_assert_eq!(pending.len(), model.len());
        }
        while pending.take().is_some() {}
        prop_assert!(pending.is_empty());
        prop_assert_eq!(pending.bytes(), 0);
    }
}
