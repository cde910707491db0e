//! The row of an acquisition.

use bincode::{Decode, Encode};

use super::AcquisitionId;
use crate::codec::Record;
use crate::coordination::locks::{Grant, Share};
use crate::rows::{self, Key};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::Revision;

const ACQUISITION: u8 = 12;

/// What is stored of an acquisition until it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AcquisitionRow {
    /// What it asked for, sorted.
    pub names: Vec<String>,
    /// How much of each.
    pub share: Share,
    /// The token for each name so far; 0 for a hold that was released. It waits for the name after the last of them.
    pub grants: Vec<Revision>,
    /// Its place in the queue; 0 if it is in none.
    pub ticket: u64,
    /// It proclaims a value.
    pub has_value: bool,
}

impl Record for AcquisitionRow {
    const ID: u16 = 0x0221;
    const VERSION: u8 = 1;
}

impl AcquisitionRow {
    /// The name that it does not have yet.
    pub fn next_name(&self) -> Option<&str> {
        self.names.get(self.grants.len()).map(String::as_str)
    }

    /// What it holds.
    pub fn holds(&self) -> impl Iterator<Item = (&str, Revision)> {
        let granted = self.names.iter().zip(&self.grants);
        granted
            .filter(|(_, token)| **token != Revision(0))
            .map(|(name, token)| (name.as_str(), *token))
    }

    /// What it holds, for an answer.
    pub fn granted(&self) -> Vec<Grant> {
        let grant = |(lock, token): (&str, Revision)| Grant {
            lock: lock.to_owned(),
            token,
        };
        self.holds().map(grant).collect()
    }

    /// The hold of this name is over. Something else is still held.
    pub fn forget(&mut self, name: &str) -> bool {
        for (own, token) in self.names.iter().zip(&mut self.grants) {
            if own == name {
                *token = Revision(0);
            }
        }
        self.holds().next().is_some()
    }
}

/// The acquisition; none if there is no such one.
pub fn find(view: &dyn View, id: AcquisitionId) -> Result<Option<AcquisitionRow>, StorageError> {
    rows::read(view, Table::Coordination, &key(id))
}

/// The acquisition, which must be there because it holds a lock or waits for one.
pub fn require(view: &dyn View, id: AcquisitionId) -> Result<AcquisitionRow, StorageError> {
    find(view, id)?.ok_or_else(|| {
        let reason = format!("there is no row of request {} of lease {}", id.request, id.lease);
        corrupt("reading an acquisition", &reason)
    })
}

/// Sets the row.
pub fn write(stage: &mut dyn Stage, id: AcquisitionId, row: &AcquisitionRow) -> Result<(), StorageError> {
    rows::write(stage, Table::Coordination, key(id), row)
}

/// Removes the row.
pub fn remove(stage: &mut dyn Stage, id: AcquisitionId) {
    stage.delete(Table::Coordination, key(id));
}

/// The key of an acquisition.
pub fn key(id: AcquisitionId) -> Vec<u8> {
    Key::of(ACQUISITION).number(id.lease.0).number(id.request).done()
}
