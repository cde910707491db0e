//! Marks: what a probe asked for, and what comes at intervals.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1::{ResponseHeader, WatchMark};
use tokio::sync::OwnedSemaphorePermit;

use super::outbox::Outbox;
use super::stream::PROBES_MAX;
use super::watches::{WatchKey, Watches};
use crate::types::Revision;

/// Where the marks of a probe may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLeast {
    /// At what this member had applied.
    Applied(Revision),
    /// At what a round with the quorum has established.
    Newest {
        /// The revision.
        revision: Revision,
        /// The round was this member's own, as the leader. Coherent caches get no other marks.
        as_leader: bool,
    },
}

impl AtLeast {
    fn revision(self) -> Revision {
        match self {
            AtLeast::Applied(revision) | AtLeast::Newest { revision, .. } => revision,
        }
    }

    fn is_linearizable(self) -> bool {
        matches!(self, AtLeast::Newest { .. })
    }
}

/// A probe that has not been answered for all of its watches.
pub(super) struct Probe {
    id: u64,
    outbox: Arc<Outbox>,
    watches: Vec<WatchKey>,
    at_least: AtLeast,
    /// Held until a first mark was sent.
    permit: Option<OwnedSemaphorePermit>,
}

/// Probes and intervals that are not over.
#[derive(Default)]
pub(super) struct Marks {
    probes: Vec<Probe>,
    intervals: BinaryHeap<Reverse<(Duration, WatchKey)>>,
}

impl Marks {
    /// The watch gets a mark at `due`, and from then on at its interval.
    pub(super) fn schedule(&mut self, due: Duration, watch: WatchKey, watches: &Watches) {
        // Those of watches that are gone would stay until they are due.
        if self.intervals.len() > 2 * watches.len() + 64 {
            self.intervals.retain(|Reverse((_, key))| watches.get(*key).is_some());
        }
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
        at_least: AtLeast,
    ) {
        // A watch that stays behind leaves probes that have been answered for all others: the newest of them are enough.
        let told = |probe: &Probe| probe.permit.is_none() && Arc::ptr_eq(&probe.outbox, outbox);
        if self.probes.iter().filter(|probe| told(probe)).count() >= PROBES_MAX
            && let Some(oldest) = self.probes.iter().position(told)
        {
            self.probes.remove(oldest);
        }
        self.probes.push(Probe {
            id,
            outbox: Arc::clone(outbox),
            watches,
            at_least,
            permit: Some(permit),
        });
    }

    /// Forgets the probes of a stream that is gone.
    pub(super) fn forget(&mut self, outbox: &Arc<Outbox>) {
        self.probes.retain(|probe| !Arc::ptr_eq(&probe.outbox, outbox));
    }

    /// Answers what can be answered: each probe first for those of its watches that are there already, perhaps none, and
    /// then for the others as they arrive. Watches that have reached different revisions get marks of their own.
    pub(super) fn answer(&mut self, watches: &Watches, header: impl Fn(Revision) -> ResponseHeader) {
        self.probes.retain_mut(|probe| {
            if watches.routed < probe.at_least.revision() {
                return true;
            }
            let mut there: BTreeMap<Revision, Vec<u64>> = BTreeMap::new();
            let at_least = probe.at_least;
            probe.watches.retain(|key| {
                // Nobody waits for one that is gone, or that has not begun.
                let Some(watch) = watches.get(*key) else { return false };
                let Some(reached) = watches.reached(watch) else {
                    return false;
                };
                if reached < at_least.revision() || (at_least.is_linearizable() && !watches.prove(*key, watch, reached))
                {
                    return true;
                }
                there.entry(reached).or_default().push(watch.id);
                false
            });
            if probe.permit.take().is_some() && there.is_empty() {
                there.insert(watches.routed, Vec::new());
            }
            for (revision, watch_ids) in there {
                probe.outbox.mark(WatchMark {
                    header: Some(header(revision)),
                    probe_id: probe.id,
                    watch_ids,
                    revision: revision.0,
                    ..WatchMark::default()
                });
            }
            !probe.watches.is_empty()
        });
    }

    /// Sends the marks that are due. A watch that has not begun, or whose stream has much to read, gets none this time.
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
            if let Some(revision) = watches.reached(watch)
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
                ..WatchMark::default()
            });
        }
    }
}
