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
        let changes = self.of_key(read);
        let passed = changes.partition_point(|(revision, _)| *revision <= read.seen.revision);
        passed.checked_sub(1).map_or_else(
            || Span {
                from: 0,
                until: next_of(changes, 0),
                value: None,
            },
            |index| span(changes, index),
        )
    }

    /// From when to when the key had what the answer shows, whatever revision it says that it reflects. Where nobody ever
    /// wrote that, or nothing is shown, that revision is all there is to go by.
    pub(super) fn shown(&self, read: &Read) -> Span {
        let changes = self.of_key(read);
        let written = read.seen.record.as_ref().and_then(|(from, value)| {
            let index = changes.binary_search_by_key(from, |(revision, _)| *revision).ok()?;
            (changes[index].1.as_ref() == Some(value)).then(|| span(changes, index))
        });
        written.unwrap_or_else(|| self.at(read))
    }

    fn of_key(&self, read: &Read) -> &[(u64, Option<Bytes>)] {
        self.changes.get(&read.place).map_or(&[][..], Vec::as_slice)
    }
}

fn next_of(changes: &[(u64, Option<Bytes>)], next: usize) -> u64 {
    changes.get(next).map_or(u64::MAX, |(revision, _)| *revision)
}

fn span(changes: &[(u64, Option<Bytes>)], index: usize) -> Span {
    let (from, value) = changes[index].clone();
    Span {
        from,
        until: next_of(changes, index + 1),
        value,
    }
}
