//! The cache against a model: a store whose every state is known, a member that lags and looks keys up later than it routes
//! events, reads that are answered at any revision and come back at any time, streams that break. Whatever the order, an answer
//! is the state of the store at the revision that it tells, that revision is not below what the client has seen, and it is not
//! below the newest revision at the moment as of which it claims to be fresh.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use quorate_proto::v1;
use quorate_proto::watch::WatchEvents;

use super::handle::UNBOUNDED;
use super::key::KeyRef;
use super::lane::Step;
use super::settings::{CacheSettings, Coherence};
use super::shared::{Fill, Shared};
use super::watcher::Watcher;
use crate::error::{Error, ErrorKind, Outcome};
use crate::record::Record;
use crate::seen::Seen;
use crate::watch::{CacheWatcher, Delivery, Departure};

const KEYS: usize = 6;
/// More than requests may be under way: each request is of one domain.
const DOMAINS: [&str; 5] = ["default", "a", "b", "c", "d"];
const MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Op {
    /// Somebody else writes, or deletes.
    Write(usize),
    /// Two keys at one revision.
    WriteTwo(usize, usize),
    Delete(usize),
    /// This client writes, and is answered.
    OwnWrite(usize),
    /// A read begins; it is answered at a revision between what was seen and the newest, by a part of the way.
    BeginRead(usize, u64),
    /// The oldest or the newest read that was begun comes back.
    EndRead(bool),
    /// The member routes the events of one more revision.
    Route,
    /// The member takes the next request, having applied that much more than it routed.
    Handle(u64),
    /// The next message arrives.
    Deliver,
    /// The task of the lane does its next step.
    Step,
    Invalidate(usize),
    /// Only the member's side of the stream breaks first: its messages are lost.
    Break,
    Attach,
    Tick(u64),
    Look(usize, Option<u64>),
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..KEYS;
    prop_oneof![
        4 => key.clone().prop_map(Op::Write),
        3 => (key.clone(), key.clone()).prop_map(|(one, other)| Op::WriteTwo(one, other)),
        2 => key.clone().prop_map(Op::Delete),
        1 => key.clone().prop_map(Op::OwnWrite),
        5 => (key.clone(), 0..5_u64).prop_map(|(key, part)| Op::BeginRead(key, part)),
        5 => any::<bool>().prop_map(Op::EndRead),
        6 => Just(Op::Route),
        6 => (0..3_u64).prop_map(Op::Handle),
        10 => Just(Op::Deliver),
        8 => Just(Op::Step),
        1 => key.clone().prop_map(Op::Invalidate),
        1 => Just(Op::Break),
        2 => Just(Op::Attach),
        3 => (1..40_u64).prop_map(Op::Tick),
        10 => (key, proptest::option::of(1..60_u64)).prop_map(|(key, bound)| Op::Look(key, bound)),
    ]
}

enum Sent {
    Keys(v1::CacheKeys),
    Probe(u64),
}

enum Told {
    Created(u64),
    /// A part of a revision; true: more of it follows.
    Events(u64, usize, bool, bool),
    Changed(Box<v1::CacheKeysChanged>),
    Mark(u64, u64),
}

/// The member's side of one stream.
#[derive(Default)]
struct Member {
    routed: u64,
    index: BTreeSet<usize>,
    requests: VecDeque<Sent>,
    /// Probes whose mark waits until this revision is routed.
    probes: Vec<(u64, u64)>,
    outbox: VecDeque<Told>,
}

struct World {
    cache: Arc<Shared>,
    watcher: Watcher,
    seen: Arc<Seen>,
    now: Arc<AtomicU64>,
    /// What each revision did, from revision 2 on; true: a put.
    history: Vec<Vec<(usize, bool)>>,
    /// The newest revision from each moment on.
    timeline: BTreeMap<u64, u64>,
    member: Option<Member>,
    watch_id: u64,
    probe_id: u64,
    reads: VecDeque<(Fill, usize, u64)>,
    answers: usize,
}

fn domain(key: usize) -> &'static str {
    DOMAINS[key % DOMAINS.len()]
}

fn found_by(key: usize, name: &Bytes) -> KeyRef<'_> {
    KeyRef::new(domain(key), name)
}

fn name(key: usize) -> Bytes {
    Bytes::from(format!("jobs/{key}"))
}

impl World {
    fn new(entries_max: u64) -> Self {
        let seen = Arc::new(Seen::default());
        let cache = Arc::new(Shared::new(
            CacheSettings::new().entries_max(entries_max),
            Arc::clone(&seen),
        ));
        let now = Arc::new(AtomicU64::new(1_000 * MS));
        let _ = cache.scripted_now.set(Arc::clone(&now));
        Self {
            watcher: Watcher::new(&cache, Coherence::Eventual).unwrap(),
            cache,
            seen,
            now,
            history: Vec::new(),
            timeline: BTreeMap::from([(0, 1)]),
            member: None,
            watch_id: 0,
            probe_id: 0,
            reads: VecDeque::new(),
            answers: 0,
        }
    }

    fn newest(&self) -> u64 {
        self.history.len() as u64 + 1
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// mod_revision of a key at a revision; 0: there is none.
    fn state(&self, key: usize, revision: u64) -> u64 {
        let until = self.history.iter().take(revision.saturating_sub(1) as usize);
        let of_key = |(index, events): (usize, &Vec<(usize, bool)>)| {
            let event = events.iter().find(|(written, _)| *written == key)?;
            Some((index, event.1))
        };
        match until.enumerate().filter_map(of_key).next_back() {
            Some((index, true)) => index as u64 + 2,
            _ => 0,
        }
    }

    fn record(&self, key: usize, revision: u64) -> Option<Record> {
        let mod_revision = self.state(key, revision);
        (mod_revision != 0).then(|| Record {
            key: name(key),
            value: mod_revision.to_string().into(),
            mod_revision,
            ..Record::default()
        })
    }

    fn write(&mut self, key: usize, is_put: bool) {
        if !is_put && self.state(key, self.newest()) == 0 {
            return;
        }
        self.commit(vec![(key, is_put)]);
    }

    fn commit(&mut self, events: Vec<(usize, bool)>) {
        self.history.push(events);
        self.timeline.insert(self.now(), self.newest());
    }

    fn end_read(&mut self, oldest: bool) {
        let read = if oldest {
            self.reads.pop_front()
        } else {
            self.reads.pop_back()
        };
        let Some((fill, key, revision)) = read else { return };
        self.seen.observe(0, revision);
        let header = v1::ResponseHeader {
            cluster_id: 7,
            revision,
            ..Default::default()
        };
        let record = self.record(key, revision);
        self.cache
            .fill(fill, domain(key), &name(key), &header, 0, record.as_ref());
    }

    fn route(&mut self) {
        let newest = self.newest();
        let Some(member) = self.member.as_mut().filter(|member| member.routed < newest) else {
            return;
        };
        member.routed += 1;
        let events = &self.history[member.routed as usize - 2];
        let heard: Vec<_> = events.iter().filter(|(key, _)| member.index.contains(key)).collect();
        for (index, (key, is_put)) in heard.iter().enumerate() {
            let more = index + 1 < heard.len();
            member
                .outbox
                .push_back(Told::Events(member.routed, *key, *is_put, more));
        }
        let routed = member.routed;
        member.probes.retain(|(probe_id, revision)| {
            if *revision <= routed {
                member.outbox.push_back(Told::Mark(*probe_id, routed));
            }
            *revision > routed
        });
    }

    fn handle(&mut self, ahead: u64) {
        let newest = self.newest();
        let Some(mut member) = self.member.take() else { return };
        match member.requests.pop_front() {
            Some(Sent::Probe(probe_id)) if member.routed >= newest => {
                member.outbox.push_back(Told::Mark(probe_id, member.routed));
            }
            Some(Sent::Probe(probe_id)) => member.probes.push((probe_id, newest)),
            Some(Sent::Keys(request)) => {
                let applied = newest.min(member.routed + ahead);
                let key_of = |key: &[u8]| (0..KEYS).find(|index| name(*index) == key).unwrap();
                for removed in &request.removed {
                    member.index.remove(&key_of(removed));
                }
                let mut differ = Vec::new();
                for (index, added) in (0..).zip(&request.added) {
                    let key = key_of(&added.key);
                    member.index.insert(key);
                    if self.state(key, applied) != added.mod_revision {
                        differ.push(index);
                    }
                }
                member.outbox.push_back(Told::Changed(Box::new(v1::CacheKeysChanged {
                    watch_id: request.watch_id,
                    change_id: request.change_id,
                    revision: member.routed,
                    differ,
                    ..Default::default()
                })));
            }
            None => {}
        }
        self.member = Some(member);
    }

    fn deliver(&mut self) {
        let Some(told) = self.member.as_mut().and_then(|member| member.outbox.pop_front()) else {
            return;
        };
        let stays = match told {
            Told::Created(revision) => self.watcher.created(&v1::WatchCreated {
                header: Some(v1::ResponseHeader {
                    cluster_id: 7,
                    ..Default::default()
                }),
                watch_id: self.watch_id,
                revision,
                lease_ms: 0,
            }),
            Told::Events(revision, key, is_put, more) => {
                let events = WatchEvents {
                    revision,
                    events: vec![self.event(revision, key, is_put)],
                    more,
                    ..WatchEvents::default()
                };
                self.watcher.events(&Delivery::new(events, 1), &mut Vec::new())
            }
            Told::Changed(changed) => self.watcher.keys_changed(&changed),
            Told::Mark(probe_id, revision) => self.watcher.mark(probe_id, revision),
        };
        assert!(stays, "the cache left a member that did nothing wrong");
    }

    fn event(&self, revision: u64, key: usize, is_put: bool) -> Bytes {
        let (kind, record) = match self.record(key, revision) {
            Some(record) if is_put => (v1::KeyEventKind::Put, record),
            _ => (v1::KeyEventKind::Delete, Record::default()),
        };
        let event = v1::KeyEvent {
            domain: domain(key).to_owned(),
            kind: kind.into(),
            record: Some(v1::Record {
                key: name(key),
                value: record.value,
                mod_revision: revision,
                ..Default::default()
            }),
            ..Default::default()
        };
        let event = v1::watch_event::Event::Key(event);
        v1::WatchEvent { event: Some(event) }.encode_to_vec().into()
    }

    fn step(&mut self) {
        let lane = self.cache.lane(Coherence::Eventual).unwrap();
        let Some(member) = &mut self.member else { return };
        match lane.next_step(self.now.load(Ordering::SeqCst), 100 * MS) {
            Step::Ask(request) => member.requests.push_back(Sent::Keys(request)),
            Step::Probe => {
                self.probe_id += 1;
                lane.probed(self.probe_id, self.now.load(Ordering::SeqCst));
                member.requests.push_back(Sent::Probe(self.probe_id));
            }
            Step::Wait { .. } | Step::Left(_) => {}
        }
    }

    fn attach(&mut self) {
        if self.member.is_some() {
            return;
        }
        let lane = self.cache.lane(Coherence::Eventual).unwrap();
        self.watch_id += 1;
        lane.asked(self.watch_id, self.seen.point());
        self.member = Some(Member {
            routed: self.newest(),
            outbox: VecDeque::from([Told::Created(self.newest())]),
            ..Member::default()
        });
    }

    fn look(&mut self, key: usize, bound: Option<u64>) {
        let bytes = name(key);
        let seen = self.seen.revision();
        let bound = bound.map_or(UNBOUNDED, |bound| bound * MS);
        let Ok(cached) = self.cache.look_up(found_by(key, &bytes), bound) else {
            return;
        };
        self.answers += 1;
        let revision = cached.revision();
        assert!(revision >= seen, "answered at {revision}, {seen} was seen");
        assert!(self.seen.revision() >= revision, "what is answered is seen");
        let told = cached.record().map_or(0, |record| record.mod_revision);
        assert_eq!(told, self.state(key, revision), "key {key} at revision {revision}");
        let staleness = u64::try_from(cached.staleness().as_nanos()).unwrap();
        assert!(staleness <= bound);
        let as_of = self.now() - staleness;
        let (_, newest_then) = self.timeline.range(..as_of).next_back().unwrap();
        assert!(revision >= *newest_then, "{revision} is not as fresh as it claims");
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Write(key) => self.write(key, true),
            Op::WriteTwo(one, other) if one == other => self.write(one, true),
            Op::WriteTwo(one, other) => self.commit(vec![(one, true), (other, true)]),
            Op::Delete(key) => self.write(key, false),
            Op::OwnWrite(key) => {
                self.write(key, true);
                self.seen.observe(0, self.newest());
            }
            Op::BeginRead(key, part) => {
                let (seen, newest) = (self.seen.revision().max(1), self.newest());
                let revision = seen + (newest - seen) * part / 4;
                self.reads.push_back((self.cache.begin_fill(), key, revision));
            }
            Op::EndRead(oldest) => self.end_read(oldest),
            Op::Route => self.route(),
            Op::Handle(ahead) => self.handle(ahead),
            Op::Deliver => self.deliver(),
            Op::Step => self.step(),
            Op::Invalidate(key) => {
                let what = super::selects::Stale::from(name(key)).into_selector(domain(key));
                self.cache.invalidate(&what);
                assert!(self.cache.look_up(found_by(key, &name(key)), UNBOUNDED).is_err());
            }
            Op::Break => {
                let error = Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, "broken");
                self.watcher.left(self.watch_id, Departure::Lost(error));
                self.member = None;
                let lane = self.cache.lane(Coherence::Eventual).unwrap();
                lane.next_step(0, 0);
                for key in 0..KEYS {
                    assert!(self.cache.look_up(found_by(key, &name(key)), UNBOUNDED).is_err());
                }
            }
            Op::Attach => self.attach(),
            Op::Tick(by) => {
                self.now.fetch_add(by * MS, Ordering::SeqCst);
            }
            Op::Look(key, bound) => self.look(key, bound),
        }
    }

    /// Everything that is under way comes to its end.
    fn settle(&mut self) {
        self.attach();
        for _ in 0..400 {
            self.now.fetch_add(10 * MS, Ordering::SeqCst);
            self.end_read(true);
            self.route();
            self.step();
            self.handle(0);
            self.deliver();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_what_the_store_held_at_its_revision_and_as_fresh_as_it_claims(
        entries_max in prop_oneof![Just(2_u64), Just(100)],
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut world = World::new(entries_max);
        world.attach();
        for op in ops {
            world.run(op);
        }
        world.settle();
        for key in 0..KEYS {
            world.look(key, None);
        }
    }
}

#[test]
fn what_was_read_is_answered_once_everything_has_come() {
    let mut world = World::new(100);
    world.attach();
    world.deliver();
    for key in 0..KEYS {
        world.run(Op::Write(key));
        world.run(Op::BeginRead(key, 4));
    }
    world.settle();
    world.answers = 0;
    (0..KEYS).for_each(|key| world.look(key, Some(200)));
    assert_eq!(world.answers, KEYS);
    // Entries outlive the stream, except those that have changed meanwhile; these come with their next read.
    world.run(Op::Break);
    world.run(Op::Write(0));
    world.settle();
    world.answers = 0;
    (0..KEYS).for_each(|key| world.look(key, Some(200)));
    assert_eq!(world.answers, KEYS - 1);
    assert_eq!(world.cache.stats().fills, KEYS as u64);
}

#[test]
fn what_was_read_before_an_invalidation_is_not_taken_in_after_it() {
    let relaxed = CacheSettings::new()
        .coherence(Coherence::Relaxed)
        .ttl(std::time::Duration::from_secs(60));
    let cache = Shared::new(relaxed, Arc::default());
    let bytes = name(0);
    let header = v1::ResponseHeader::default();
    let fill = cache.begin_fill();
    let what = super::selects::Stale::from(name(0)).into_selector("");
    cache.invalidate(&what);
    cache.fill(fill, "", &bytes, &header, 0, None);
    assert!(cache.look_up(KeyRef::new("", &bytes), UNBOUNDED).is_err());
    cache.fill(cache.begin_fill(), "", &bytes, &header, 0, None);
    assert!(cache.look_up(KeyRef::new("", &bytes), UNBOUNDED).is_ok());

    let mut world = World::new(100);
    world.attach();
    world.deliver();
    world.run(Op::BeginRead(0, 4));
    world.run(Op::Invalidate(0));
    world.settle();
    assert_eq!(world.cache.stats().fills, 0);
}

#[test]
fn nothing_is_answered_after_a_break_before_all_that_was_held_is_known_to_be_true() {
    let mut world = World::new(100);
    world.attach();
    world.deliver();
    for key in 0..DOMAINS.len() {
        world.run(Op::Write(key));
        world.run(Op::BeginRead(key, 4));
    }
    world.settle();
    world.run(Op::Break);
    // Of the domain that is asked for last, when the others are under way and a proof has come.
    world.run(Op::Write(0));
    world.attach();
    world.deliver();
    (0..DOMAINS.len()).for_each(|_| world.step());
    (0..DOMAINS.len()).for_each(|_| world.handle(0));
    (0..DOMAINS.len()).for_each(|_| world.deliver());
    world.answers = 0;
    (0..DOMAINS.len()).for_each(|key| world.look(key, None));
    assert_eq!(world.answers, 0);
    world.settle();
    (0..DOMAINS.len()).for_each(|key| world.look(key, None));
    assert_eq!(world.answers, DOMAINS.len() - 1);
}
