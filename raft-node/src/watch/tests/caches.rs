//! Caches, against what a cache may answer: at every position that it knows, what it holds is what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use prost::Message;
use quorate_proto::v1::{self as proto, ErrorCode, KeyEventKind, watch_event, watch_message};

use super::{LIMITS, Member, newest, take, until};
use crate::mvcc::{ChangeKind, Selector};
use crate::state_machine::testing::{self, put, put_command, transaction};
use crate::state_machine::{Command, Operation};
use crate::types::{DomainId, Revision};
use crate::watch::outbox::WATCH_MESSAGES_MAX;
use crate::watch::spec::{CacheSpec, WatchSpec};
use crate::watch::stream::WatchStream;
use crate::watch::{KeyChange, KnownKey};

const DOMAIN: DomainId = DomainId(1);

pub(super) fn cache(coherent: bool) -> WatchSpec {
    WatchSpec {
        selectors: Vec::new(),
        domains: Vec::new(),
        cache: Some(CacheSpec { coherent }),
        ..super::keys(Selector::Key(b"-".to_vec()))
    }
}

pub(super) fn adding(watch_id: u64, change_id: u64, added: &[(&str, u64)]) -> KeyChange {
    let known = |(key, revision): &(&str, u64)| KnownKey {
        key: key.as_bytes().to_vec(),
        mod_revision: Revision(*revision),
    };
    KeyChange {
        watch_id,
        change_id,
        domain: DOMAIN,
        domain_name: "default".to_owned(),
        added: added.iter().map(known).collect(),
        removed: Vec::new(),
    }
}

pub(super) async fn changed(stream: &WatchStream) -> proto::CacheKeysChanged {
    until(stream, |message| match message {
        watch_message::Message::CacheKeysChanged(changed) => Some(changed),
        _ => None,
    })
    .await
}

async fn canceled(stream: &WatchStream) -> proto::Error {
    until(stream, |message| match message {
        watch_message::Message::Canceled(canceled) => canceled.error,
        _ => None,
    })
    .await
}

/// A cache that is there, on a stream of its own.
fn begun(member: &Member) -> Arc<WatchStream> {
    let stream = member.hub.open();
    let watch = stream.add(1, cache(false)).unwrap();
    stream.begin(watch, member.newest());
    stream
}

#[tokio::test]
async fn what_the_member_has_of_added_keys_is_compared_with_what_the_cache_has() {
    let mut member = Member::new(LIMITS);
    for key in ["a", "b", "c"] {
        member.apply(put_command(put(key, "v")), true);
    }
    let stream = begun(&member);
    stream.change_keys(&adding(1, 9, &[("a", 2), ("b", 2), ("c", 0), ("none", 0), ("gone", 7)]));
    let changed = changed(&stream).await;
    assert_eq!((changed.change_id, changed.revision, changed.error), (9, 4, None));
    assert_eq!(changed.differ, [1, 2, 4]);
}

#[tokio::test]
async fn a_key_that_differs_is_heard_of_all_the_same_and_one_that_was_removed_is_not() {
    let mut member = Member::new(LIMITS);
    member.apply(put_command(put("a", "1")), true);
    let stream = begun(&member);
    stream.change_keys(&adding(1, 1, &[("a", 0), ("b", 0)]));
    assert_eq!(changed(&stream).await.differ, [0]);
    let mut removing = adding(1, 2, &[]);
    removing.removed.push(b"b".to_vec());
    stream.change_keys(&removing);
    member.apply(put_command(put("b", "2")), true);
    member.apply(put_command(put("a", "2")), true);
    let told = until(&stream, |message| match message {
        watch_message::Message::Events(events) => Some(events),
        watch_message::Message::Canceled(canceled) => panic!("{canceled:?}"),
        _ => None,
    });
    assert_eq!(told.await.revision, 4);
}

#[tokio::test]
async fn a_cache_whose_client_does_not_read_ends_with_lagged_and_reads_no_history() {
    let mut member = Member::new(LIMITS);
    let stream = begun(&member);
    stream.change_keys(&adding(1, 1, &[("a", 0)]));
    for _ in 0..=WATCH_MESSAGES_MAX {
        member.apply(put_command(put("a", "v")), true);
    }
    let held = Arc::clone(stream.outbox());
    let ended = async {
        while !held.watches().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    let error = canceled(&stream).await;
    assert_eq!(error.code(), ErrorCode::Lagged);
    assert_eq!(error.boundary, WATCH_MESSAGES_MAX as u64 + 2);
}

#[tokio::test]
async fn a_gap_in_the_feed_ends_a_cache_that_has_keys_and_no_other() {
    let mut member = Member::new(LIMITS);
    let (with, without) = (begun(&member), begun(&member));
    with.change_keys(&adding(1, 1, &[("a", 0)]));
    member.apply(put_command(put("b", "v")), false);
    assert_eq!(canceled(&with).await.code(), ErrorCode::Lagged);
    without.change_keys(&adding(1, 1, &[("a", 0)]));
    assert_eq!(changed(&without).await.error, None);
}

#[tokio::test]
async fn only_a_cache_that_is_there_has_keys() {
    let member = Member::new(LIMITS);
    let stream = member.hub.open();
    stream.add(1, cache(false)).unwrap();
    let watch = stream.add(2, super::keys(Selector::Key(b"k".to_vec()))).unwrap();
    stream.begin(watch, member.newest());
    for (watch_id, reason) in [(1, "not there yet"), (2, "no cache"), (3, "no watch")] {
        stream.change_keys(&adding(watch_id, 1, &[("a", 0)]));
        let error = changed(&stream).await.error.unwrap();
        assert_eq!(
            (error.code(), error.field.as_str()),
            (ErrorCode::InvalidArgument, "watch_id")
        );
        assert!(error.message.contains(reason), "{}", error.message);
    }
}

#[tokio::test]
async fn a_cache_has_so_many_keys_and_no_more() {
    let member = Member::new(LIMITS);
    let stream = begun(&member);
    let names: Vec<String> = (0..=crate::watch::caches::KEYS_PER_CACHE_MAX)
        .map(|n| n.to_string())
        .collect();
    let all: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let (last, most) = all.split_last().unwrap();
    stream.change_keys(&adding(1, 1, most));
    assert_eq!(changed(&stream).await.error, None);
    stream.change_keys(&adding(1, 2, &[*last]));
    let error = changed(&stream).await.error.unwrap();
    assert_eq!(error.code(), ErrorCode::LimitReached);
    assert_eq!((error.limit, error.value), (131_072, 131_073));
    stream.change_keys(&adding(1, 3, &most[..1]));
    assert_eq!(changed(&stream).await.error, None, "it has this one already");
    // What is named twice goes once, and what comes back does not go.
    let mut twice = adding(1, 4, &[*last, ("one more", 0)]);
    twice.removed = vec![most[0].0.as_bytes().to_vec(); 2];
    stream.change_keys(&twice);
    assert_eq!(changed(&stream).await.error.unwrap().value, 131_073);
    let mut back = adding(1, 5, &[*last, most[0]]);
    back.removed.push(most[0].0.as_bytes().to_vec());
    stream.change_keys(&back);
    assert_eq!(changed(&stream).await.error.unwrap().value, 131_073);
    let mut swap = adding(1, 6, &[*last]);
    swap.removed.push(most[0].0.as_bytes().to_vec());
    stream.change_keys(&swap);
    assert_eq!(changed(&stream).await.error, None);
    stream.cancel(1);
    assert_eq!(member.hub.watches.lock().selector_bytes(), 0);
}

#[tokio::test]
async fn nobody_waits_for_a_cache_that_is_gone_to_drop_something() {
    let member = Member::new(LIMITS);
    let streams = [begun(&member), begun(&member)];
    let invalidation = member.hub.invalidate(&proto::CacheSelector::default());
    assert_eq!(invalidation.told(), 2);
    let told = until(&streams[0], |message| match message {
        watch_message::Message::CacheInvalidate(told) => Some(told),
        _ => None,
    });
    streams[0].invalidated(1, told.await.invalidation_id);
    let acknowledged = tokio::spawn(async move { invalidation.acknowledged(Duration::from_secs(600)).await });
    streams[1].cancel(1);
    let acknowledged = tokio::time::timeout(Duration::from_secs(30), acknowledged).await;
    assert_eq!(acknowledged.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_cache_ends_with_a_domain_of_its_keys() {
    let mut member = Member::new(LIMITS);
    let new = testing::domains::new("short-lived", crate::types::Tier::Strong);
    member.apply(testing::domains::create(new), true);
    member.store.publish_batch(&mut member.state.state);
    let domain = member.store.domains().load().strong("short-lived").unwrap().id;
    let (of_it, of_other) = (begun(&member), begun(&member));
    let mut change = adding(1, 1, &[("a", 0)]);
    of_other.change_keys(&change);
    change.domain = domain;
    of_it.change_keys(&change);
    member.apply(testing::domains::drop("short-lived"), true);
    member.store.publish_batch(&mut member.state.state);
    member.apply(put_command(put("a", "v")), true);
    assert_eq!(canceled(&of_it).await.code(), ErrorCode::UnknownDomain);
    of_other.change_keys(&change);
    let refused = until(&of_other, |message| match message {
        watch_message::Message::CacheKeysChanged(changed) => changed.error,
        _ => None,
    });
    assert_eq!(refused.await.code(), ErrorCode::UnknownDomain);
}

#[derive(Clone, Debug)]
enum Step {
    /// Puts and deletes, in one transaction.
    Write(BTreeMap<u8, bool>),
    /// The same, by a batch that the feed does not get.
    WriteUnseen(BTreeMap<u8, bool>),
    /// Reads keys, and adds them after so many writes of each of them.
    Fill(BTreeSet<u8>, u8),
    Forget(BTreeSet<u8>),
    /// More than an outbox holds.
    Flood(u8),
    Read,
    Probe,
    Yield(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let write = || prop::collection::btree_map(0_u8..6, any::<bool>(), 1..4);
    let some = || prop::collection::btree_set(0_u8..6, 1..4);
    prop_oneof![
        12 => write().prop_map(Step::Write),
        1 => write().prop_map(Step::WriteUnseen),
        8 => (some(), 0_u8..2).prop_map(|(keys, writes)| Step::Fill(keys, writes)),
        2 => some().prop_map(Step::Forget),
        1 => (0_u8..6).prop_map(Step::Flood),
        8 => Just(Step::Read),
        2 => Just(Step::Probe),
        6 => (0_u8..4).prop_map(Step::Yield),
    ]
}

/// What a cache holds of a key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it is from: nothing older may replace it.
    known_at: u64,
    /// Of the record; 0: there is none.
    mod_revision: u64,
    /// The change that has to be answered before it may be told.
    pending: Option<u64>,
}

/// A cache that follows the rules of the wire, and the store that it caches.
struct Run {
    member: Member,
    stream: Arc<WatchStream>,
    watch_id: u64,
    change_id: u64,
    /// Keys that the member was asked to tell of.
    named: BTreeSet<u8>,
    entries: BTreeMap<u8, Entry>,
    changes: BTreeMap<u64, Vec<u8>>,
    position: u64,
    created: bool,
}

fn name(number: u8) -> String {
    format!("k/{number}")
}

impl Run {
    fn new() -> Self {
        let member = Member::new(LIMITS);
        let stream = begun(&member);
        Self {
            member,
            stream,
            watch_id: 1,
            change_id: 0,
            named: BTreeSet::new(),
            entries: BTreeMap::new(),
            changes: BTreeMap::new(),
            position: 0,
            created: false,
        }
    }

    /// The mod_revision that a key had; 0: it was not there.
    fn truth(&self, number: u8, at: u64) -> u64 {
        let name = name(number);
        let until = self.member.truth.iter().take_while(|applied| applied.revision.0 <= at);
        let touched = until.filter_map(|applied| {
            let changed = applied
                .changes
                .keys
                .iter()
                .find(|changed| changed.key == name.as_bytes())?;
            Some(if changed.kind == ChangeKind::Put {
                applied.revision.0
            } else {
                0
            })
        });
        touched.last().unwrap_or(0)
    }

    fn write(&mut self, rows: &BTreeMap<u8, bool>, collected: bool) {
        let operations = rows.iter().map(|(number, is_put)| match is_put {
            true => Operation::Put(put(name(*number), "v")),
            false => Operation::Delete(testing::delete(Selector::Key(name(*number).into_bytes()))),
        });
        let command = Command::Transaction(transaction(operations.collect()));
        self.member.apply(command, collected);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(rows) => self.write(rows, true),
            Step::WriteUnseen(rows) => self.write(rows, false),
            Step::Fill(keys, writes) => {
                let newest = self.member.newest().0;
                for number in keys {
                    let mod_revision = self.truth(*number, newest);
                    let newer = self.entries.get(number).filter(|entry| entry.known_at > newest);
                    let known_at = newer.map_or(newest, |entry| entry.known_at);
                    let pending = Some(self.change_id + 1);
                    self.entries.insert(
                        *number,
                        Entry {
                            known_at,
                            mod_revision,
                            pending,
                        },
                    );
                }
                for _ in 0..*writes {
                    self.write(&keys.iter().map(|number| (*number, true)).collect(), true);
                }
                self.name_keys(keys);
            }
            Step::Forget(keys) => {
                if self.created {
                    let mut change = adding(self.watch_id, u64::MAX, &[]);
                    for number in keys {
                        self.entries.remove(number);
                        self.named.remove(number);
                        change.removed.push(name(*number).into_bytes());
                    }
                    self.stream.change_keys(&change);
                }
            }
            Step::Flood(number) => {
                for _ in 0..=WATCH_MESSAGES_MAX {
                    self.write(&BTreeMap::from([(*number, true)]), true);
                }
            }
            Step::Read => self.read(),
            Step::Probe => self.probe(),
            Step::Yield(_) => {}
        }
    }

    fn probe(&self) {
        if let Ok(permit) = self.stream.admit_probe() {
            self.stream.probe(1, permit, &[], newest(self.member.newest()));
        }
    }

    /// Names keys with what the cache has of them.
    fn name_keys(&mut self, keys: &BTreeSet<u8>) {
        self.change_id += 1;
        self.named.extend(keys);
        let names: Vec<(String, u64)> = keys
            .iter()
            .filter_map(|number| Some((name(*number), self.entries.get(number)?.mod_revision)))
            .collect();
        let added: Vec<(&str, u64)> = names
            .iter()
            .map(|(name, revision)| (name.as_str(), *revision))
            .collect();
        self.changes.insert(self.change_id, keys.iter().copied().collect());
        self.stream.change_keys(&adding(self.watch_id, self.change_id, &added));
    }

    fn read(&mut self) {
        for message in take(&self.stream) {
            match message {
                watch_message::Message::Created(created) => {
                    self.position = created.revision;
                    self.created = true;
                }
                watch_message::Message::Events(events) => {
                    assert!(
                        events.revision > self.position,
                        "an event behind a position that covers it"
                    );
                    for event in &events.events {
                        self.event(events.revision, &proto::WatchEvent::decode(&**event).unwrap());
                    }
                    self.position = events.revision;
                }
                watch_message::Message::Mark(mark) => {
                    if !mark.watch_ids.is_empty() {
                        assert!(mark.revision >= self.position);
                        self.position = mark.revision;
                    }
                }
                watch_message::Message::CacheKeysChanged(changed) => self.keys_changed(&changed),
                watch_message::Message::Canceled(canceled) => {
                    assert_eq!(canceled.error.unwrap().code(), ErrorCode::Lagged);
                    self.again();
                    return;
                }
                watch_message::Message::CacheInvalidate(_) => panic!("nobody invalidates"),
            }
            self.verdict();
        }
    }

    fn event(&mut self, revision: u64, event: &proto::WatchEvent) {
        let Some(watch_event::Event::Key(event)) = &event.event else {
            panic!("{event:?}");
        };
        let record = event.record.as_ref().unwrap();
        let number = record.key[2] - b'0';
        let known = self.entries.get(&number);
        // Named no more, but the member did not know yet when it told this.
        if !self.named.contains(&number) || known.is_some_and(|entry| entry.known_at >= revision) {
            return;
        }
        let entry = Entry {
            known_at: revision,
            mod_revision: if event.kind() == KeyEventKind::Put { revision } else { 0 },
            pending: known.and_then(|entry| entry.pending),
        };
        self.entries.insert(number, entry);
    }

    fn keys_changed(&mut self, changed: &proto::CacheKeysChanged) {
        if changed.change_id == u64::MAX {
            // Keys were removed, or the watch was gone.
            self.position = self.position.max(changed.revision);
            return;
        }
        let keys = self.changes.remove(&changed.change_id).unwrap();
        if changed.error.is_some() {
            return;
        }
        assert!(changed.revision >= self.position, "positions never go back");
        self.position = changed.revision;
        for (place, number) in (0..).zip(keys) {
            let Some(entry) = self
                .entries
                .get_mut(&number)
                .filter(|entry| entry.pending == Some(changed.change_id))
            else {
                continue;
            };
            entry.pending = None;
            if changed.differ.contains(&place) {
                self.entries.remove(&number);
            }
        }
    }

    /// The watch ended: another one is made, and everything is named again.
    fn again(&mut self) {
        self.watch_id += 1;
        self.changes.clear();
        self.stream = self.member.hub.open();
        let watch = self.stream.add(self.watch_id, cache(false)).unwrap();
        self.stream.begin(watch, self.member.newest());
        self.created = false;
        self.named.clear();
        for entry in self.entries.values_mut() {
            entry.pending = Some(self.change_id + 1);
        }
        self.read();
        let keys: BTreeSet<u8> = self.entries.keys().copied().collect();
        self.name_keys(&keys);
    }

    /// Whatever may be told is what was there at the position, or is newer.
    fn verdict(&self) {
        for (number, entry) in self.entries.iter().filter(|(_, entry)| entry.pending.is_none()) {
            let at = self.position.max(entry.known_at);
            assert_eq!(
                entry.mod_revision,
                self.truth(*number, at),
                "{number} at {at}: {entry:?}"
            );
        }
    }

    /// Reads until the position is the newest.
    async fn finish(&mut self) {
        let newest = self.member.newest().0;
        let end = tokio::time::Instant::now() + Duration::from_secs(30);
        while self.position < newest {
            assert!(
                tokio::time::Instant::now() < end,
                "the cache stands still at {}",
                self.position
            );
            self.probe();
            self.read();
            tokio::task::yield_now().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn a_cache_never_holds_what_was_not_there(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for step in &steps {
                run.step(step);
                if let Step::Yield(times) = step {
                    for _ in 0..*times {
                        tokio::task::yield_now().await;
                    }
                }
            }
            run.finish().await;
            run.verdict();
        });
    }
}
