//! Marks: what a probe asked for, and what comes at intervals.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1::{ResponseHeader, WatchMark};
use tokio::sync::OwnedSemaphorePermit;

use super::outbox::Outbox;
use super::watches::{WatchKey, Watches};
use crate::types::Revision;

/// A probe that has not been answered for all of its watches.
pub(super) struct Probe {
    id: u64,
    outbox: Arc<Outbox>,
    watches: Vec<WatchKey>,
    at_least: Revision,
    /// A first mark was sent.
    told: bool,
    _permit: OwnedSemaphorePermit,
}

/// Probes and intervals that are not over.
#[derive(Default)]
pub(super) struct Marks {
    probes: Vec<Probe>,
    intervals: BinaryHeap<Reverse<(Duration, WatchKey)>>,
}

impl Marks {
    /// The watch gets a mark at `due`, and from then on at its interval.
    pub(super) fn schedule(&mut self, due: Duration, watch: WatchKey) {
        self.intervals.push(Reverse((due, watch)));
    }

    /// When the next mark is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.intervals.peek().map(|Reverse((due, _))| *due)
    }

    /// Asks for a mark of each of the watches, at `at_least` or later.
    pub(super) fn ask(
        &mut self,
        id: u64,
        permit: OwnedSemaphorePermit,
        outbox: &Arc<Outbox>,
        watches: Vec<WatchKey>,
        at_least: Revision,
    ) {
        self.probes.push(Probe {
            id,
            outbox: Arc::clone(outbox),
            watches,
            at_least,
            told: false,
            _permit: permit,
        });
    }

    /// Forgets the probes of a stream that is gone.
    pub(super) fn forget(&mut self, outbox: &Arc<Outbox>) {
        self.probes.retain(|probe| !Arc::ptr_eq(&probe.outbox, outbox));
    }

    /// Answers what can be answered: each probe first for those of its watches that are there already, perhaps none, and
    /// then for the others as they arrive.
    pub(super) fn answer(&mut self, watches: &Watches, header: impl Fn(Revision) -> ResponseHeader) {
        self.probes.retain_mut(|probe| {
            if watches.routed < probe.at_least {
                return true;
            }
            // A mark at the least of them could be before the start of another.
            let mut marks: BTreeMap<Revision, Vec<u64>> = BTreeMap::new();
            let at_least = probe.at_least;
            probe.watches.retain(|key| {
                // Nobody waits for one that is gone, or that has not begun.
                let Some(watch) = watches.get(*key) else { return false };
                let Some(reached) = watches.reached(watch) else {
                    return false;
                };
                if reached < at_least {
                    return true;
                }
                marks.entry(reached).or_default().push(watch.id);
                false
            });
            if marks.is_empty() && !probe.told {
                marks.insert(watches.routed, Vec::new());
            }
            for (revision, watch_ids) in marks {
                probe.told = true;
                probe.outbox.mark(WatchMark {
                    header: Some(header(revision)),
                    probe_id: probe.id,
                    watch_ids,
                    revision: revision.0,
                    error: None,
                });
            }
            !probe.watches.is_empty()
        });
    }

    /// Sends the marks that are due. A watch that is behind, has not begun or has much in its outbox gets none this time.
    pub(super) fn send_due(&mut self, now: Duration, watches: &Watches, header: impl Fn(Revision) -> ResponseHeader) {
        let mut due: BTreeMap<(usize, Revision), (Arc<Outbox>, Vec<u64>)> = BTreeMap::new();
        while let Some(Reverse((at, key))) = self.intervals.peek().copied() {
            if at > now {
                break;
            }
            self.intervals.pop();
            let Some(watch) = watches.get(key) else { continue };
            let Some(interval) = watch.spec.mark_interval else {
                continue;
            };
            self.intervals.push(Reverse((now + interval, key)));
            if let Some(revision) = watches.reached(watch).filter(|_| watch.is_live())
                && watch.outbox.is_nearly_empty()
            {
                let place = (Arc::as_ptr(&watch.outbox).addr(), revision);
                let stream = due
                    .entry(place)
                    .or_insert_with(|| (Arc::clone(&watch.outbox), Vec::new()));
                stream.1.push(watch.id);
            }
        }
        for ((_, revision), (outbox, watch_ids)) in due {
            outbox.mark(WatchMark {
                header: Some(header(revision)),
                probe_id: 0,
                watch_ids,
                revision: revision.0,
                error: None,
            });
        }
    }
}
