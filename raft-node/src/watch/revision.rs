//! The events of one revision, each encoded at most once for all who get it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::spec::Shape;
use super::wire::{self, DomainNames};
use crate::mvcc::{AppliedRevision, ChangeKind, Changes};
use crate::storage::StorageError;
use crate::types::{Revision, Space};

/// A revision on its way to those who watch: first the events of keys, then those of coordination.
pub(super) struct RevisionEvents {
    applied: Arc<AppliedRevision>,
    encoded: Vec<[OnceLock<Bytes>; Shape::COUNT]>,
}

/// An event, as far as it matters for finding who wants it.
pub(super) struct Subject<'r> {
    pub(super) space: Space,
    pub(super) name: Cow<'r, [u8]>,
    /// What happened to a key; none for everything else.
    pub(super) kind: Option<ChangeKind>,
}

impl RevisionEvents {
    pub(super) fn new(applied: Arc<AppliedRevision>) -> Self {
        let count = applied.changes.keys.len() + applied.changes.events.len();
        Self {
            encoded: (0..count).map(|_| Default::default()).collect(),
            applied,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.applied.revision
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.applied.changes.wall_ms
    }

    /// What its events are about, with their numbers.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (u32, Subject<'_>)> {
        subjects(&self.applied.changes)
    }

    /// The event with this number, as it travels.
    pub(super) fn encoded(&self, number: u32, shape: Shape, names: &DomainNames) -> Result<Bytes, StorageError> {
        let number = number as usize;
        let Some(cell) = self.encoded.get(number).map(|shapes| &shapes[shape.number()]) else {
            return Ok(Bytes::new());
        };
        if let Some(bytes) = cell.get() {
            return Ok(bytes.clone());
        }
        let bytes = wire::encode(&self.applied, number, shape, names)?;
        Ok(cell.get_or_init(|| bytes).clone())
    }
}

/// What the events of a revision are about, with their numbers: those of keys first.
pub(super) fn subjects(changes: &Changes) -> impl Iterator<Item = (u32, Subject<'_>)> {
    let keys = changes.keys.iter().map(|changed| Subject {
        space: Space::Keys(changed.domain),
        name: Cow::Borrowed(changed.key.as_slice()),
        kind: Some(changed.kind),
    });
    let others = changes.events.iter().map(|event| Subject {
        space: event.space(),
        name: event.name(),
        kind: None,
    });
    (0..).zip(keys.chain(others))
}
