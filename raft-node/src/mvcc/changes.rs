//! What a revision touched: what watchers replay and what the cleaner follows.

use bincode::{Decode, Encode};

use super::record::corrupt;
use crate::codec::{self, Record as _};
use crate::storage::StorageError;
use crate::types::{DomainId, Event, Revision};

/// What happened to a key.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChangeKind {
    /// It was written.
    Put,
    /// It was deleted.
    Delete,
    /// Its time came.
    Expire,
}

/// One key that a revision touched.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangedKey {
    /// Where.
    pub domain: DomainId,
    /// How.
    pub kind: ChangeKind,
    /// Which.
    pub key: Vec<u8>,
}

/// The records of a key that a revision touched, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedRecords {
    /// What was written; none if the key went.
    pub record: Option<Vec<u8>>,
    /// What was there before.
    pub previous: Option<Vec<u8>>,
}

/// A revision that was just applied, for those who watch at this member.
#[derive(Clone, Debug)]
pub struct AppliedRevision {
    /// Its number.
    pub revision: Revision,
    /// What it touched.
    pub changes: Changes,
    /// The records of `changes.keys`, one for each; none if nobody watched.
    pub records: Vec<ChangedRecords>,
}

impl AppliedRevision {
    /// Bytes that it keeps in memory, about.
    pub fn bytes(&self) -> usize {
        let keys = self.changes.keys.iter().map(|changed| changed.key.len() + 48);
        let records = self.records.iter().map(ChangedRecords::bytes);
        keys.sum::<usize>() + records.sum::<usize>() + 64 * self.changes.events.len() + 128
    }
}

impl ChangedRecords {
    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, Vec::len) + self.previous.as_ref().map_or(0, Vec::len) + 48
    }
}

/// All that a revision touched, in the order of the operations. No key stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// The proposer's wall clock, for display and restore to a moment only.
    pub wall_ms: u64,
    /// The keys.
    pub keys: Vec<ChangedKey>,
    /// What happened to leases, locks, queues, workers and assignments.
    pub events: Vec<Event>,
}

impl codec::Record for Changes {
    const ID: u16 = 0x0202;
    const VERSION: u8 = 2;
}

/// A revision that touched keys alone.
#[derive(Encode, Decode)]
struct KeyChanges {
    wall_ms: u64,
    keys: Vec<ChangedKey>,
}

impl codec::Record for KeyChanges {
    const ID: u16 = Changes::ID;
    const VERSION: u8 = 1;
}

impl Changes {
    /// The row of these changes. Returns them, too: watchers want them next.
    pub fn into_row(self) -> Result<(Self, Vec<u8>), StorageError> {
        let failed = |error| corrupt("writing changes", &error);
        if !self.events.is_empty() {
            let row = codec::encode(&self).map_err(failed)?;
            return Ok((self, row));
        }
        let Self { wall_ms, keys, .. } = self;
        let keys_alone = KeyChanges { wall_ms, keys };
        let row = codec::encode(&keys_alone).map_err(failed)?;
        let keys = keys_alone.keys;
        let events = Vec::new();
        Ok((Self { wall_ms, keys, events }, row))
    }

    /// Reads a row.
    pub fn from_row(row: &[u8]) -> Result<Self, StorageError> {
        let failed = |error| corrupt("reading changes", &error);
        if codec::header(row).map_err(failed)?.version != KeyChanges::VERSION {
            return codec::decode(row).map_err(failed);
        }
        let KeyChanges { wall_ms, keys } = codec::decode(row).map_err(failed)?;
        let events = Vec::new();
        Ok(Self { wall_ms, keys, events })
    }
}
