//! What the holder of a lock proclaims, on disk only: it is read by people and by those who observe an election.

use bincode::{Decode, Encode};

use super::AcquisitionId;
use crate::codec::Record;
use crate::rows::{self, Key};
use crate::storage::{Stage, StorageError, Table, View};

const VALUE: u8 = 14;

/// What is stored of a value that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ValueRow {
    /// The value.
    pub value: Vec<u8>,
}

impl Record for ValueRow {
    const ID: u16 = 0x0222;
    const VERSION: u8 = 1;
}

/// The value of an acquisition; empty if it has none.
pub fn get(view: &dyn View, id: AcquisitionId) -> Result<Vec<u8>, StorageError> {
    let row: Option<ValueRow> = rows::read(view, Table::Items, &key(id))?;
    Ok(row.map(|row| row.value).unwrap_or_default())
}

/// Sets the value, which is not empty.
pub fn write(stage: &mut dyn Stage, id: AcquisitionId, value: Vec<u8>) -> Result<(), StorageError> {
    rows::write(stage, Table::Items, key(id), &ValueRow { value })
}

/// Removes the value.
pub fn remove(stage: &mut dyn Stage, id: AcquisitionId) {
    stage.delete(Table::Items, key(id));
}

fn key(id: AcquisitionId) -> Vec<u8> {
    Key::of(VALUE).number(id.lease.0).number(id.request).done()
}
