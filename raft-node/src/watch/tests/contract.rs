//! The contract, against the definition of what a watch gets, over random histories of writes, watches, slow readers,
//! compactions and batches that only the store has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use prost::Message;
use quorate_proto::v1::{self as proto, ErrorCode, watch_message};

use super::{LIMITS, Member, expected, keys, newest, take};
use crate::mvcc::{Put, Selector};
use crate::state_machine::testing::{self, put, transaction};
use crate::state_machine::{Command, Operation};
use crate::types::{Revision, Space};
use crate::watch::spec::{Shape, WatchSpec};
use crate::watch::stream::WatchStream;

#[derive(Clone, Debug)]
enum Step {
    /// Puts (with a value of so many bytes) and deletes, in one transaction.
    Write(BTreeMap<u8, Option<usize>>),
    /// The same, by a batch that the feed does not get.
    WriteUnseen(BTreeMap<u8, Option<usize>>),
    Lease(u64),
    /// So many revisions behind the newest.
    Compact(u64),
    /// A watch on one of the streams, from so far behind the newest revision (or ahead, if negative); none: now.
    Watch(usize, Wanted, Option<i64>),
    Cancel(usize),
    Read(usize),
    /// Closes a stream and opens another in its place.
    Reopen(usize),
    Probe(usize),
    /// Lets the hub and the catch-up run.
    Yield(u8),
}

#[derive(Clone, Debug)]
struct Wanted {
    selectors: Vec<Selector>,
    leases: bool,
    filter: u8,
    shape: Shape,
}

impl Wanted {
    fn spec(&self) -> WatchSpec {
        let mut spec = keys(Selector::Key(b"-".to_vec()));
        let (space, _) = spec.selectors.remove(0);
        spec.selectors
            .extend(self.selectors.iter().map(|selector| (space, selector.clone())));
        if self.leases {
            spec.selectors.push((Space::Leases, Selector::Prefix(Vec::new())));
        }
        spec.no_puts = self.filter == 1;
        spec.no_deletes = self.filter == 2;
        spec.shape = self.shape;
        spec
    }
}

const STREAMS: usize = 2;

fn key(number: u8) -> Vec<u8> {
    format!("k/{}/{}", number % 3, number).into_bytes()
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        (0_u8..6).prop_map(|number| Selector::Key(key(number))),
        prop_oneof![Just(""), Just("k/"), Just("k/1"), Just("x")].prop_map(|text| Selector::Prefix(text.into())),
        prop_oneof![Just("k/*/2"), Just("**"), Just("*/0/*"), Just("k/*")]
            .prop_map(|text| Selector::Pattern(text.into())),
        (0_u8..6, 0_u8..6).prop_map(|(start, end)| Selector::Interval {
            start: key(start),
            end: key(end)
        }),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let shape = (any::<bool>(), any::<bool>()).prop_map(|(previous, keys_only)| Shape { previous, keys_only });
    (prop::collection::vec(selector(), 1..3), any::<bool>(), 0_u8..6, shape).prop_map(
        |(selectors, leases, filter, shape)| Wanted {
            selectors,
            leases,
            filter,
            shape,
        },
    )
}

fn write() -> impl Strategy<Value = BTreeMap<u8, Option<usize>>> {
    let bytes = prop_oneof![8 => Just(3_usize), 1 => Just(700 << 10)];
    let value = prop_oneof![3 => bytes.prop_map(Some), 1 => Just(None)];
    prop::collection::btree_map(0_u8..6, value, 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => write().prop_map(Step::Write),
        1 => write().prop_map(Step::WriteUnseen),
        2 => (0_u64..4).prop_map(Step::Lease),
        1 => (0_u64..6).prop_map(Step::Compact),
        4 => (0..STREAMS, wanted(), prop::option::of(-4_i64..12)).prop_map(|(at, what, from)| Step::Watch(at, what, from)),
        1 => (0_usize..8).prop_map(Step::Cancel),
        5 => (0..STREAMS).prop_map(Step::Read),
        1 => (0..STREAMS).prop_map(Step::Reopen),
        1 => (0..STREAMS).prop_map(Step::Probe),
        5 => (0_u8..4).prop_map(Step::Yield),
    ]
}

/// A watch as its client sees it.
struct Seen {
    spec: WatchSpec,
    after: Revision,
    created: bool,
    parts: Vec<proto::WatchEvent>,
    got: Vec<(u64, Vec<proto::WatchEvent>)>,
    marked: u64,
    ended: Option<Option<proto::Error>>,
}

struct Run {
    member: Member,
    streams: Vec<Arc<WatchStream>>,
    /// By stream and id.
    watches: BTreeMap<(usize, u64), Seen>,
    ids: u64,
}

impl Run {
    fn new() -> Self {
        let member = Member::new(LIMITS);
        let streams = (0..STREAMS).map(|_| member.hub.open()).collect();
        Self {
            member,
            streams,
            watches: BTreeMap::new(),
            ids: 0,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Write(rows) => self.write(&rows, true),
            Step::WriteUnseen(rows) => self.write(&rows, false),
            Step::Lease(lease) => {
                let operation = Operation::Lease(testing::grant(lease + 1, 1000));
                self.member
                    .apply(Command::Transaction(transaction(vec![operation])), true);
            }
            Step::Compact(back) => {
                let revision = self.member.newest().0.saturating_sub(back).max(1);
                self.member.compact(Revision(revision));
            }
            Step::Watch(stream, wanted, from) => self.watch(stream, &wanted, from),
            Step::Cancel(number) => {
                if let Some((stream, id)) = self.watches.keys().nth(number) {
                    self.streams[*stream].cancel(*id);
                }
            }
            Step::Read(stream) => self.read(stream),
            Step::Reopen(stream) => {
                self.streams[stream] = self.member.hub.open();
                self.watches.retain(|(own, _), _| *own != stream);
            }
            Step::Probe(stream) => self.probe(stream),
            Step::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn write(&mut self, rows: &BTreeMap<u8, Option<usize>>, collected: bool) {
        let operations = rows.iter().map(|(number, bytes)| match bytes {
            Some(bytes) => Operation::Put(Put {
                ..put(key(*number), vec![b'v'; *bytes])
            }),
            None => Operation::Delete(testing::delete(Selector::Key(key(*number)))),
        });
        let command = Command::Transaction(transaction(operations.collect()));
        self.member.apply(command, collected);
    }

    fn watch(&mut self, stream: usize, wanted: &Wanted, from: Option<i64>) {
        self.ids += 1;
        let newest = self.member.newest();
        let after = match from {
            None => newest,
            Some(back) => Revision(newest.0.saturating_add_signed(-back)),
        };
        if after.next() < self.member.store.applied().compacted {
            return;
        }
        let spec = wanted.spec();
        let watched = self.streams[stream].add(self.ids, spec.clone()).unwrap();
        self.streams[stream].begin(watched, after);
        let seen = Seen {
            spec,
            after,
            created: false,
            parts: Vec::new(),
            got: Vec::new(),
            marked: 0,
            ended: None,
        };
        self.watches.insert((stream, self.ids), seen);
    }

    fn probe(&self, stream: usize) {
        if let Ok(permit) = self.streams[stream].admit_probe() {
            self.streams[stream].probe(1, permit, &[], newest(self.member.newest()));
        }
    }

    fn read(&mut self, stream: usize) {
        for message in take(&self.streams[stream]) {
            self.told(stream, message);
        }
    }

    fn told(&mut self, stream: usize, message: watch_message::Message) {
        let truth = &self.member.truth;
        match message {
            watch_message::Message::Created(created) => {
                let seen = self.watches.get_mut(&(stream, created.watch_id)).unwrap();
                assert!(!std::mem::replace(&mut seen.created, true));
                assert_eq!(created.revision, seen.after.0);
            }
            watch_message::Message::Events(events) => {
                for id in events.watch_ids {
                    let seen = self.watches.get_mut(&(stream, id)).unwrap();
                    assert!(seen.created && seen.ended.is_none());
                    let decoded = events
                        .events
                        .iter()
                        .map(|event| proto::WatchEvent::decode(&**event).unwrap());
                    seen.parts.extend(decoded);
                    if !events.more {
                        assert!(events.revision > seen.marked, "an event behind a mark that covers it");
                        seen.got.push((events.revision, std::mem::take(&mut seen.parts)));
                    }
                }
            }
            watch_message::Message::Mark(mark) => {
                assert_eq!(mark.error, None);
                for id in mark.watch_ids {
                    let seen = self.watches.get_mut(&(stream, id)).unwrap();
                    assert!(mark.revision >= seen.after.0, "a mark before the start");
                    assert!(mark.revision >= seen.marked, "marks never go back");
                    seen.marked = mark.revision;
                    let expected = expected::events(truth, &seen.spec, seen.after);
                    let covered = expected.iter().filter(|(revision, _)| *revision <= mark.revision);
                    assert!(covered.count() <= seen.got.len(), "a mark ahead of the events");
                }
            }
            watch_message::Message::Canceled(canceled) => {
                let seen = self.watches.get_mut(&(stream, canceled.watch_id)).unwrap();
                assert!(seen.parts.is_empty(), "a revision was split");
                assert_eq!(seen.ended.replace(canceled.error), None);
            }
            other => panic!("no cache is here: {other:?}"),
        }
    }

    /// Reads everything, until every watch has a mark at the newest revision or has ended.
    async fn finish(&mut self) {
        let newest = self.member.newest().0;
        let end = tokio::time::Instant::now() + Duration::from_secs(30);
        while self.watches.values().any(|seen| seen.is_open(newest)) {
            assert!(tokio::time::Instant::now() < end, "a watch stands still");
            for stream in 0..STREAMS {
                self.probe(stream);
                self.read(stream);
            }
            tokio::task::yield_now().await;
        }
    }

    fn verdict(&self) {
        for seen in self.watches.values() {
            let expected = expected::events(&self.member.truth, &seen.spec, seen.after);
            let upto = match &seen.ended {
                None => expected.len(),
                Some(None) => seen.got.len(),
                Some(Some(error)) => {
                    assert_eq!(error.code(), ErrorCode::Compacted);
                    assert!(seen.got.last().is_none_or(|(revision, _)| *revision < error.boundary));
                    seen.got.len()
                }
            };
            let numbers =
                |list: &[(u64, Vec<proto::WatchEvent>)]| list.iter().map(|(revision, _)| *revision).collect::<Vec<_>>();
            assert_eq!(numbers(&seen.got), numbers(&expected[..upto]), "{:?}", seen.spec);
            assert!(
                seen.got == expected[..upto],
                "the events of a revision differ: {:?}",
                seen.spec
            );
        }
    }
}

impl Seen {
    fn is_open(&self, newest: u64) -> bool {
        self.ended.is_none() && self.after.0 <= newest && self.marked < newest
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn every_watch_gets_every_event_once_in_order_and_whole(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for step in steps {
                run.step(step).await;
            }
            run.finish().await;
            run.verdict();
        });
    }
}
