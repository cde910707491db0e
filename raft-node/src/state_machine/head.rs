//! The single values of the state, in one row.

use bincode::{Decode, Encode};

use crate::codec::{self, Record};
use crate::mvcc::{corrupt, keys};
use crate::storage::{StorageError, Table, View};
use crate::types::{LogTimeMs, Revision};

/// Position of an entry in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct LogPosition {
    /// Term of the leader that appended it.
    pub term: u64,
    /// Its place.
    pub index: u64,
}

/// What is written with every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The newest revision.
    pub revision: Revision,
    /// The oldest revision that can be read.
    pub compacted: Revision,
    /// The last entry that was applied; none in the empty store.
    pub applied: Option<LogPosition>,
    /// Log time of that entry.
    pub log_time: LogTimeMs,
    /// Running hash of the logical writes.
    pub hash: u64,
}

impl Record for Head {
    const ID: u16 = 0x0206;
    const VERSION: u8 = 1;
}

impl Head {
    /// Of the empty store.
    pub const EMPTY: Head = Head {
        revision: Revision::EMPTY,
        compacted: Revision::EMPTY,
        applied: None,
        log_time: LogTimeMs(0),
        hash: 0,
    };

    /// Reads it; none before the store was created.
    pub fn load(view: &dyn View) -> Result<Option<Head>, StorageError> {
        let row = view.get(Table::Meta, &Head::key())?;
        row.map(|row| codec::decode(&row).map_err(|error| corrupt("reading the head", &error)))
            .transpose()
    }

    /// Its key in the meta table.
    pub fn key() -> Vec<u8> {
        keys::meta(b"head")
    }

    /// Index of the last entry that was applied; 0 in the empty store.
    pub fn applied_index(&self) -> u64 {
        self.applied.map_or(0, |position| position.index)
    }
}

/// The membership, as consensus encoded it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct StoredMembership {
    /// Opaque here.
    pub bytes: Vec<u8>,
}

impl Record for StoredMembership {
    const ID: u16 = 0x0209;
    const VERSION: u8 = 1;
}

impl StoredMembership {
    /// Its key in the meta table.
    pub fn key() -> Vec<u8> {
        keys::meta(b"membership")
    }

    /// Reads it; none before the first was set.
    pub fn load(view: &dyn View) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(row) = view.get(Table::Meta, &Self::key())? else {
            return Ok(None);
        };
        match codec::decode::<StoredMembership>(&row) {
            Ok(membership) => Ok(Some(membership.bytes)),
            Err(error) => Err(corrupt("reading the membership", &error)),
        }
    }
}
