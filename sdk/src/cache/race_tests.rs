//! Look-ups of several threads while a stream brings changes, breaks and comes back: each answer is the state at its revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use prost::Message as _;
use quorate_proto::v1;
use quorate_proto::watch::WatchEvents;

use super::handle::UNBOUNDED;
use super::key::KeyRef;
use super::lane::Step;
use super::settings::{CacheSettings, Coherence};
use super::shared::Shared;
use super::watcher::Watcher;
use crate::error::{Error, ErrorKind, Outcome};
use crate::record::Record;
use crate::watch::{CacheWatcher, Delivery, Departure};

/// Key `n` of these is written at every revision that is `n` more than a multiple of them, and the first one at each.
const KEYS: u64 = 3;
const REVISIONS: u64 = 12_000;
/// The stream breaks this often.
const STAY: u64 = 500;

fn name(key: u64) -> Bytes {
    Bytes::from(format!("jobs/{key}"))
}

/// When a key was last written, as of a revision.
fn written(key: u64, revision: u64) -> u64 {
    if key == 0 {
        return revision;
    }
    let since = (revision + KEYS - key) % KEYS;
    revision - since
}

fn event(key: u64, revision: u64) -> Bytes {
    let record = v1::Record {
        key: name(key),
        value: revision.to_string().into(),
        mod_revision: revision,
        ..Default::default()
    };
    let event = v1::watch_event::Event::Key(v1::KeyEvent {
        domain: "default".to_owned(),
        kind: v1::KeyEventKind::Put.into(),
        record: Some(record),
        ..Default::default()
    });
    v1::WatchEvent { event: Some(event) }.encode_to_vec().into()
}

struct Source {
    cache: Arc<Shared>,
    watcher: Watcher,
    probe_id: u64,
}

impl Source {
    fn begin(&mut self, watch_id: u64, revision: u64) {
        let lane = self.cache.lane(Coherence::Eventual).unwrap();
        lane.asked(watch_id, self.cache.seen.point());
        assert!(self.watcher.created(&v1::WatchCreated {
            header: Some(v1::ResponseHeader::default()),
            watch_id,
            revision,
            lease_ms: 0,
        }));
        self.answer(revision);
    }

    /// The member answers whatever it is asked.
    fn answer(&mut self, revision: u64) {
        let lane = self.cache.lane(Coherence::Eventual).unwrap();
        loop {
            match lane.next_step(self.cache.now(), u64::MAX) {
                Step::Ask(request) => {
                    let differs = |(_, added): &(u32, &v1::CacheKey)| {
                        let key = (0..KEYS).find(|key| name(*key) == added.key).unwrap();
                        added.mod_revision != written(key, revision)
                    };
                    let differ = (0..).zip(&request.added).filter(differs).map(|(index, _)| index);
                    assert!(self.watcher.keys_changed(&v1::CacheKeysChanged {
                        watch_id: request.watch_id,
                        change_id: request.change_id,
                        revision,
                        differ: differ.collect(),
                        ..Default::default()
                    }));
                }
                Step::Probe => {
                    self.probe_id += 1;
                    lane.probed(self.probe_id, self.cache.now());
                    assert!(self.watcher.mark(self.probe_id, revision));
                }
                Step::Wait { .. } | Step::Left(_) => return,
            }
        }
    }

    fn fill(&mut self, revision: u64) {
        for key in 0..KEYS {
            let record = Record {
                key: name(key),
                mod_revision: written(key, revision),
                ..Record::default()
            };
            let header = v1::ResponseHeader {
                revision,
                ..Default::default()
            };
            let fill = self.cache.begin_fill();
            self.cache.fill(fill, "", &name(key), &header, 0, Some(&record));
        }
    }

    /// Two keys, or one, in messages of their own.
    fn change(&mut self, revision: u64) {
        let keys = (0..KEYS).filter(|key| written(*key, revision) == revision);
        let keys: Vec<u64> = keys.collect();
        for (index, key) in keys.iter().enumerate() {
            let events = WatchEvents {
                revision,
                events: vec![event(*key, revision)],
                more: index + 1 < keys.len(),
                ..WatchEvents::default()
            };
            assert!(self.watcher.events(&Delivery::new(events, 1), &mut Vec::new()));
        }
    }
}

#[test]
fn look_ups_never_find_a_part_of_a_revision_or_what_was_there_before_it() {
    let cache = Arc::new(Shared::new(CacheSettings::new(), Arc::default()));
    let watcher = Watcher::new(&cache, Coherence::Eventual).unwrap();
    let mut source = Source {
        cache: Arc::clone(&cache),
        watcher,
        probe_id: 0,
    };
    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let look = || {
        let (mut last, mut round) = (0, 0);
        while !is_over.load(Ordering::Relaxed) {
            round += 1;
            let key = round % KEYS;
            let seen = cache.seen.revision();
            if let Ok(cached) = cache.look_up(KeyRef::new("", &name(key)), UNBOUNDED) {
                let revision = cached.revision();
                let told = cached.record().unwrap().mod_revision;
                assert_eq!(told, written(key, revision), "key {key} at {revision}");
                assert!(revision >= last && revision >= seen, "{revision} after {last}, {seen}");
                last = revision;
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let lookers: Vec<_> = (0..3).map(|_| scope.spawn(look)).collect();
        for revision in KEYS..REVISIONS {
            if revision % STAY == KEYS {
                let error = Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, "broken");
                source
                    .watcher
                    .left(revision - STAY.min(revision), Departure::Lost(error));
                let _ = cache.lane(Coherence::Eventual).unwrap().next_step(0, 0);
                source.begin(revision, revision);
                source.fill(revision);
                source.answer(revision);
                continue;
            }
            source.change(revision);
            source.answer(revision);
            if lookers.iter().any(|looker| looker.is_finished()) {
                break;
            }
        }
        // Those who look have had their turn, too.
        while answers.load(Ordering::Relaxed) < 1_000 && !lookers.iter().any(|looker| looker.is_finished()) {
            source.answer(REVISIONS - 1);
            std::thread::yield_now();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(cache.stats().changes > REVISIONS / 2, "{:?}", cache.stats());
}
