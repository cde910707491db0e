//! The row of a waiter. Everything is in its key, in the order in which waiters are served.

use super::AcquisitionId;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::LeaseId;

/// The kind of these rows.
pub const WAITER_ROW: u8 = 13;

/// Sets the row.
pub fn put(stage: &mut dyn Stage, name: &str, ticket: u64, id: AcquisitionId) {
    stage.put(Table::Coordination, key(name, ticket, id), Vec::new());
}

/// Removes the row.
pub fn remove(stage: &mut dyn Stage, name: &str, ticket: u64, id: AcquisitionId) {
    stage.delete(Table::Coordination, key(name, ticket, id));
}

/// Who is served next.
pub fn first(view: &dyn View, name: &str) -> Result<Option<(u64, AcquisitionId)>, StorageError> {
    let first = rows::first(view, Table::Coordination, &of_lock(name).done())?;
    first.map(|(key, _)| decode(&key)).transpose()
}

/// What the keys of the waiters of a lock start with.
pub fn of_lock(name: &str) -> Key {
    Key::of(WAITER_ROW).text(name)
}

/// Ticket and acquisition in a key.
pub fn decode(stored: &[u8]) -> Result<(u64, AcquisitionId), StorageError> {
    let parts = || {
        let mut parts = Parts::of(WAITER_ROW, stored)?;
        parts.text()?;
        let ticket = parts.number()?;
        let lease = LeaseId(parts.number()?);
        let request = parts.number()?;
        parts.end().map(|()| (ticket, AcquisitionId { lease, request }))
    };
    parts().ok_or_else(|| corrupt("reading a waiter", &"its key does not decode"))
}

/// The key of the row.
pub fn key(name: &str, ticket: u64, id: AcquisitionId) -> Vec<u8> {
    of_lock(name)
        .number(ticket)
        .number(id.lease.0)
        .number(id.request)
        .done()
}
