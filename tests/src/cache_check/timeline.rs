//! What each key had, and from which revision to which.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::record::{Place, Read};
use crate::watch_check::{Event, KeyKind, Truth};

/// Changes of keys, in the order of revisions.
#[derive(Debug, Default)]
pub(super) struct Timelines {
    last: u64,
    /// From which revision on, and the value; none where the key was gone.
    changes: BTreeMap<Place, Vec<(u64, Option<Bytes>)>>,
}

/// What a key had for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The revision that made it so.
    pub(super) from: u64,
    /// The revision that replaced it; `u64::MAX` if none did.
    pub(super) until: u64,
    /// The value; none where there was no record.
    pub(super) value: Option<Bytes>,
}

impl Span {
    /// Whether it was replaced at that revision, or before.
    pub(super) fn is_older_than(&self, revision: u64) -> bool {
        self.until <= revision
    }
}

impl Timelines {
    pub(super) fn of(truth: &Truth) -> Timelines {
        let mut changes: BTreeMap<Place, Vec<(u64, Option<Bytes>)>> = BTreeMap::new();
        for (revision, events) in truth.between(0, truth.last()) {
            for event in events {
                let Event::Key(event) = event else { continue };
                let place = Place {
                    domain: event.domain.clone(),
                    key: event.record.key.clone(),
                };
                let value = (event.kind == KeyKind::Put).then(|| event.record.value.clone());
                changes.entry(place).or_default().push((revision, value));
            }
        }
        Timelines {
            last: truth.last(),
            changes,
        }
    }

    /// The newest revision.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// What the key of a read had at the revision that its answer reflects.
    pub(super) fn at(&self, read: &Read) -> Span {
        let changes = self.changes.get(&read.place).map_or(&[][..], Vec::as_slice);
        let until = |next: usize| changes.get(next).map_or(u64::MAX, |(revision, _)| *revision);
        let passed = changes.partition_point(|(revision, _)| *revision <= read.seen.revision);
        match passed.checked_sub(1) {
            None => Span {
                from: 0,
                until: until(0),
                value: None,
            },
            Some(index) => {
                let (from, value) = changes[index].clone();
                Span {
                    from,
                    until: until(passed),
                    value,
                }
            }
        }
    }
}
