//! Coherence, over a clock that is set by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::{Coherence, Hold, Leading, TouchedKeys};
use crate::environment::Clock;
use crate::types::{DomainId, Revision};
use crate::watch::watches::WatchKey;
use crate::watch::{KeyChange, KnownKey};

const DOMAIN: DomainId = DomainId(9);
const LEASE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Hands(Mutex<Duration>);

impl Clock for Hands {
    fn monotonic(&self) -> Duration {
        *self.0.lock()
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}

impl Hands {
    fn pass(&self, ms: u64) {
        *self.0.lock() += Duration::from_millis(ms);
    }
}

fn new() -> (Arc<Hands>, Arc<Coherence>) {
    let hands = Arc::<Hands>::default();
    let coherence = Coherence::new(LEASE, Arc::clone(&hands) as Arc<dyn Clock>);
    (hands, coherence)
}

fn named(key: u8) -> Vec<u8> {
    vec![b'k', key]
}

fn keys(key: u8) -> TouchedKeys {
    Arc::new([(DOMAIN, named(key))])
}

fn change(added: &[u8], removed: &[u8]) -> KeyChange {
    let added = added.iter().map(|key| KnownKey {
        key: named(*key),
        mod_revision: Revision(0),
    });
    KeyChange {
        watch_id: 1,
        change_id: 1,
        domain: DOMAIN,
        domain_name: "c".to_owned(),
        added: added.collect(),
        removed: removed.iter().map(|key| named(*key)).collect(),
    }
}

/// A cache that has a key, as it was at the revision, and that may answer for a lease from now on.
fn proved(coherence: &Coherence, number: u64, key: u8, revision: u64) -> WatchKey {
    let cache = WatchKey::numbered(number);
    coherence.begin(cache);
    coherence.change_keys(cache, &change(&[key], &[]));
    coherence.compared(cache, &change(&[key], &[]), Revision(revision));
    assert!(coherence.prove(cache, Revision(revision)));
    cache
}

fn hold(coherence: &Arc<Coherence>, revision: u64, key: u8) -> Option<Hold> {
    coherence.hold(Revision(revision), keys(key), Leading::Any)
}

impl Hold {
    fn is_over(&self) -> bool {
        let led = self.led_until.and_then(|until| self.time_until(until));
        led.is_none() && self.blockers.iter().all(|blocker| self.left(blocker).is_none())
    }
}

#[test]
fn a_write_waits_for_those_who_have_its_key_until_each_has_heard_of_it() {
    let (_, coherence) = new();
    let caches = [proved(&coherence, 1, 1, 5), proved(&coherence, 2, 1, 5)];
    proved(&coherence, 3, 2, 5);
    let held = hold(&coherence, 6, 1).unwrap();
    assert!(hold(&coherence, 6, 3).is_none(), "nobody has it");
    coherence.applied(caches[0], Revision(6));
    assert!(!held.is_over());
    coherence.applied(caches[1], Revision(5));
    assert!(!held.is_over());
    coherence.applied(caches[1], Revision(7));
    assert!(held.is_over());
    assert!(hold(&coherence, 7, 1).is_some_and(|held| held.blockers.len() == 1));
}

#[test]
fn a_write_waits_for_the_lease_that_ran_when_it_looked_and_for_no_later_one() {
    let (hands, coherence) = new();
    let cache = proved(&coherence, 1, 1, 5);
    hands.pass(5);
    let held = hold(&coherence, 6, 1).unwrap();
    assert!(!coherence.prove(cache, Revision(5)), "it does not know of the write");
    assert!(coherence.prove(cache, Revision(6)));
    hands.pass(5);
    assert!(!held.is_over(), "a tenth longer than the cache counts");
    hands.pass(1);
    assert!(held.is_over());
    assert!(hold(&coherence, 7, 1).is_some(), "the later lease runs");
    hands.pass(11);
    assert!(hold(&coherence, 8, 1).is_none());
    assert!(
        !coherence.prove(cache, Revision(7)),
        "passed over, it must hear of the write first"
    );
}

#[test]
fn what_was_compared_with_the_write_is_not_waited_for_unless_the_cache_had_the_key_before() {
    let (_, coherence) = new();
    let cache = proved(&coherence, 1, 1, 6);
    assert!(hold(&coherence, 6, 1).is_none());
    coherence.change_keys(cache, &change(&[1], &[]));
    coherence.compared(cache, &change(&[1], &[]), Revision(9));
    assert!(hold(&coherence, 8, 1).is_some());
    let held = hold(&coherence, 8, 1).unwrap();
    coherence.change_keys(cache, &change(&[], &[1]));
    assert!(held.is_over(), "it has dropped it");
    coherence.change_keys(cache, &change(&[1], &[]));
    coherence.compared(cache, &change(&[1], &[]), Revision(9));
    assert!(hold(&coherence, 8, 1).is_none());
}

#[test]
fn a_cache_that_has_ended_is_waited_for_and_then_forgotten() {
    let (hands, coherence) = new();
    let cache = proved(&coherence, 1, 1, 5);
    let unproved = WatchKey::numbered(2);
    coherence.begin(unproved);
    coherence.end(unproved);
    coherence.end(cache);
    let held = hold(&coherence, 6, 1).unwrap();
    hands.pass(10);
    coherence.forget_over();
    assert!(!held.is_over() && !coherence.is_idle());
    hands.pass(1);
    assert!(held.is_over());
    coherence.forget_over();
    assert!(coherence.is_idle());
}

#[test]
fn a_new_leader_waits_one_lease_and_one_that_leads_no_more_does_too() {
    let (hands, coherence) = new();
    let hold = |leading| coherence.hold(Revision(6), keys(1), leading);
    coherence.lead(Some(3));
    hands.pass(4);
    assert!(hold(Leading::Any).is_none());
    let held = hold(Leading::Term(3)).unwrap();
    hands.pass(6);
    assert!(!held.is_over());
    hands.pass(1);
    assert!(held.is_over());
    assert!(hold(Leading::Term(3)).is_none());
    assert!(hold(Leading::NoMore).is_some());
    // Nobody has said yet that it leads again.
    let again = hold(Leading::Term(5)).unwrap();
    hands.pass(10);
    assert!(!again.is_over());
    hands.pass(1);
    assert!(again.is_over());
}

#[test]
fn a_write_of_which_nothing_is_known_waits_for_every_cache() {
    let (hands, coherence) = new();
    proved(&coherence, 1, 1, 5);
    let held = coherence.hold_for_all(Revision(6), Leading::Any).unwrap();
    assert!(!held.is_over());
    hands.pass(11);
    assert!(held.is_over());
}

#[tokio::test]
async fn a_hold_is_over_when_the_caches_have_said_so() {
    let (_, coherence) = new();
    let cache = proved(&coherence, 1, 1, 5);
    let held = hold(&coherence, 6, 1).unwrap();
    let waiting = tokio::spawn(held.over());
    tokio::task::yield_now().await;
    coherence.applied(cache, Revision(6));
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap()
        .unwrap();
}

const CACHES: usize = 2;
const KEYS: u8 = 2;

/// What may happen, in any order: messages wait for as long as it takes.
#[derive(Clone, Debug)]
enum Step {
    Write(u8),
    /// The oldest write that was applied looks for caches.
    Look,
    /// The hub sends the events of the next revision.
    Route,
    /// The member reads the next request of the cache.
    Request(usize),
    /// It looks up the keys that were added last.
    Compare(usize),
    /// The hub answers the probes.
    Mark,
    /// The cache reads its next message.
    Read(usize),
    /// The cache reads a key from the leader, and names it.
    Fill(usize, u8),
    Forget(usize, u8),
    Probe(usize),
    /// The member ends the watch; the cache does not know. Another takes its place.
    End(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..KEYS).prop_map(Step::Write),
        4 => Just(Step::Look),
        4 => Just(Step::Route),
        6 => (0..CACHES).prop_map(Step::Request),
        4 => (0..CACHES).prop_map(Step::Compare),
        4 => Just(Step::Mark),
        6 => (0..CACHES).prop_map(Step::Read),
        3 => (0..CACHES, 0..KEYS).prop_map(|(cache, key)| Step::Fill(cache, key)),
        1 => (0..CACHES, 0..KEYS).prop_map(|(cache, key)| Step::Forget(cache, key)),
        4 => (0..CACHES).prop_map(Step::Probe),
        1 => (0..CACHES).prop_map(Step::End),
        4 => (1..6_u64).prop_map(Step::Pass),
    ]
}

enum Request {
    Probe(Duration),
    Applied(u64),
    Add(u8, u64),
    Remove(u8),
}

enum Message {
    Event(u8, u64),
    Mark(Duration),
    Changed(u8, bool),
}

/// A cache and its watch.
#[derive(Default)]
struct Client {
    requests: VecDeque<Request>,
    messages: VecDeque<Message>,
    /// What it has: the revision of each key, and how many changes have to be answered before it may be told.
    entries: BTreeMap<u8, (u64, u32)>,
    named: BTreeSet<u8>,
    until: Duration,
    // The member's side.
    indexed: BTreeSet<u8>,
    comparing: Option<(u8, u64)>,
    probes: Vec<(Duration, u64)>,
}

struct World {
    hands: Arc<Hands>,
    coherence: Arc<Coherence>,
    clients: Vec<(WatchKey, Client)>,
    /// Those whose watch has ended: they may answer still.
    left: Vec<Client>,
    numbers: u64,
    revision: u64,
    written: BTreeMap<u8, u64>,
    /// Key of each revision, from 1 on.
    log: Vec<u8>,
    routed: u64,
    applied: VecDeque<(u8, u64)>,
    holds: Vec<(u8, u64, Hold)>,
    answered: BTreeMap<u8, u64>,
}

impl World {
    fn new() -> Self {
        let (hands, coherence) = new();
        let mut world = Self {
            hands,
            coherence,
            clients: Vec::new(),
            left: Vec::new(),
            numbers: 0,
            revision: 0,
            written: BTreeMap::new(),
            log: Vec::new(),
            routed: 0,
            applied: VecDeque::new(),
            holds: Vec::new(),
            answered: BTreeMap::new(),
        };
        for _ in 0..CACHES {
            let client = world.client();
            world.clients.push(client);
        }
        world
    }

    fn client(&mut self) -> (WatchKey, Client) {
        self.numbers += 1;
        let key = WatchKey::numbered(self.numbers);
        self.coherence.begin(key);
        (key, Client::default())
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(key) => {
                self.revision += 1;
                self.written.insert(*key, self.revision);
                self.log.push(*key);
                self.applied.push_back((*key, self.revision));
            }
            Step::Look => {
                if let Some((key, revision)) = self.applied.pop_front() {
                    match hold(&self.coherence, revision, key) {
                        Some(held) => self.holds.push((key, revision, held)),
                        None => self.answer(key, revision),
                    }
                }
            }
            Step::Route => self.route(),
            Step::Request(number) => self.request(*number),
            Step::Compare(number) => {
                if let Some((key, known)) = self.clients[*number].1.comparing.take() {
                    let differs = self.written.get(&key).copied().unwrap_or(0) != known;
                    while self.routed < self.revision {
                        self.route();
                    }
                    let (cache, client) = &mut self.clients[*number];
                    self.coherence
                        .compared(*cache, &change(&[key], &[]), Revision(self.routed));
                    client.messages.push_back(Message::Changed(key, differs));
                }
            }
            Step::Mark => {
                let routed = self.routed;
                for (cache, client) in &mut self.clients {
                    let (coherence, messages) = (&self.coherence, &mut client.messages);
                    client.probes.retain(|(sent, at_least)| {
                        if routed < *at_least || !coherence.prove(*cache, Revision(routed)) {
                            return true;
                        }
                        messages.push_back(Message::Mark(*sent));
                        false
                    });
                }
            }
            Step::Read(number) => self.clients[*number].1.read(),
            Step::Fill(number, key) => {
                let known = self.written.get(key).copied().unwrap_or(0);
                let client = &mut self.clients[*number].1;
                let entry = client.entries.entry(*key).or_insert((known, 0));
                *entry = (entry.0.max(known), entry.1 + 1);
                client.named.insert(*key);
                let named = entry.0;
                client.requests.push_back(Request::Add(*key, named));
            }
            Step::Forget(number, key) => {
                let client = &mut self.clients[*number].1;
                // Not while an answer would speak of another entry.
                if client.entries.get(key).is_none_or(|entry| entry.1 == 0) {
                    client.entries.remove(key);
                    client.named.remove(key);
                    client.requests.push_back(Request::Remove(*key));
                }
            }
            Step::Probe(number) => {
                let now = self.hands.monotonic();
                self.clients[*number].1.requests.push_back(Request::Probe(now));
            }
            Step::End(number) => {
                self.coherence.end(self.clients[*number].0);
                let other = self.client();
                let (_, left) = std::mem::replace(&mut self.clients[*number], other);
                self.left.push(left);
            }
            Step::Pass(ms) => self.hands.pass(*ms),
        }
        if matches!(step, Step::Pass(_)) {
            self.coherence.forget_over();
        }
        let over = self.holds.extract_if(.., |(_, _, held)| held.is_over());
        let over: Vec<(u8, u64)> = over.map(|(key, revision, _)| (key, revision)).collect();
        for (key, revision) in over {
            self.answer(key, revision);
        }
    }

    fn route(&mut self) {
        if self.routed < self.revision {
            let key = self.log[usize::try_from(self.routed).unwrap()];
            self.routed += 1;
            for (_, client) in &mut self.clients {
                if client.indexed.contains(&key) {
                    client.messages.push_back(Message::Event(key, self.routed));
                }
            }
        }
    }

    fn request(&mut self, number: usize) {
        let (cache, client) = &mut self.clients[number];
        // Requests are done one after the other.
        if client.comparing.is_some() {
            return;
        }
        match client.requests.pop_front() {
            None => {}
            Some(Request::Probe(sent)) => client.probes.push((sent, self.revision)),
            Some(Request::Applied(revision)) => self.coherence.applied(*cache, Revision(revision)),
            Some(Request::Add(key, known)) => {
                client.indexed.insert(key);
                self.coherence.change_keys(*cache, &change(&[key], &[]));
                client.comparing = Some((key, known));
            }
            Some(Request::Remove(key)) => {
                client.indexed.remove(&key);
                self.coherence.change_keys(*cache, &change(&[], &[key]));
            }
        }
    }

    fn answer(&mut self, key: u8, revision: u64) {
        let answered = self.answered.entry(key).or_default();
        *answered = revision.max(*answered);
    }

    fn verdict(&self) {
        let now = self.hands.monotonic();
        for client in self.clients.iter().map(|(_, client)| client).chain(&self.left) {
            if now >= client.until {
                continue;
            }
            for (key, (revision, pending)) in &client.entries {
                let answered = self.answered.get(key).copied().unwrap_or(0);
                assert!(
                    *pending > 0 || *revision >= answered,
                    "key {key} is told as of {revision}, and {answered} was answered"
                );
            }
        }
    }
}

impl Client {
    fn read(&mut self) {
        match self.messages.pop_front() {
            None => {}
            Some(Message::Event(key, revision)) => {
                if self.named.contains(&key) {
                    let entry = self.entries.entry(key).or_insert((revision, 0));
                    entry.0 = entry.0.max(revision);
                }
                self.requests.push_back(Request::Applied(revision));
            }
            Some(Message::Mark(sent)) => self.until = self.until.max(sent + LEASE),
            Some(Message::Changed(key, differs)) => {
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.1 -= 1;
                    if differs && entry.1 == 0 {
                        self.entries.remove(&key);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, max_shrink_iters: 4000, ..ProptestConfig::default() })]
    #[test]
    fn no_cache_answers_with_what_was_there_before_an_answered_write(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.verdict();
        }
    }
}
