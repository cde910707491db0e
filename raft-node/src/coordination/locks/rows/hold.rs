//! The row of a hold. Everything is in its key; how much is held stands in the acquisition.

use std::ops::ControlFlow;

use super::AcquisitionId;
use crate::coordination::locks::Hold;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{LeaseId, Revision};

/// The kind of these rows.
pub const HOLD_ROW: u8 = 11;

/// Sets the row.
pub fn put(stage: &mut dyn Stage, name: &str, token: Revision, id: AcquisitionId) {
    stage.put(Table::Coordination, key(name, token, id), Vec::new());
}

/// Removes the row.
pub fn remove(stage: &mut dyn Stage, name: &str, token: Revision, id: AcquisitionId) {
    stage.delete(Table::Coordination, key(name, token, id));
}

/// The acquisition that the hold belongs to; none if it is over, or never was.
pub fn find(view: &dyn View, hold: &Hold) -> Result<Option<AcquisitionId>, StorageError> {
    if let Some(request) = hold.request {
        let id = AcquisitionId {
            lease: hold.lease,
            request,
        };
        let row = view.get(Table::Coordination, &key(&hold.lock, hold.token, id))?;
        return Ok(row.map(|_| id));
    }
    let prefix = of_lock(&hold.lock).number(hold.token.0).number(hold.lease.0).done();
    let first = rows::first(view, Table::Coordination, &prefix)?;
    first.map(|(key, _)| decode(&key).map(|(_, id)| id)).transpose()
}

/// The oldest hold of a lock.
pub fn first(view: &dyn View, name: &str) -> Result<Option<(Revision, AcquisitionId)>, StorageError> {
    let first = rows::first(view, Table::Coordination, &of_lock(name).done())?;
    first.map(|(key, _)| decode(&key)).transpose()
}

/// At most `limit` holds of a lock, the oldest first: those with a token, or all.
pub fn all(
    view: &dyn View,
    name: &str,
    token: Option<Revision>,
    limit: usize,
) -> Result<Vec<(Revision, AcquisitionId)>, StorageError> {
    let prefix = token.map_or_else(|| of_lock(name), |token| of_lock(name).number(token.0));
    let mut keys = Vec::new();
    rows::scan(view, Table::Coordination, &prefix.done(), &mut |key, _| {
        if keys.len() == limit {
            return ControlFlow::Break(());
        }
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    keys.iter().map(|key| decode(key)).collect()
}

fn of_lock(name: &str) -> Key {
    Key::of(HOLD_ROW).text(name)
}

/// The key of the row.
pub fn key(name: &str, token: Revision, id: AcquisitionId) -> Vec<u8> {
    of_lock(name)
        .number(token.0)
        .number(id.lease.0)
        .number(id.request)
        .done()
}

fn decode(stored: &[u8]) -> Result<(Revision, AcquisitionId), StorageError> {
    let parts = || {
        let mut parts = Parts::of(HOLD_ROW, stored)?;
        parts.text()?;
        let token = Revision(parts.number()?);
        let lease = LeaseId(parts.number()?);
        let request = parts.number()?;
        parts.end().map(|()| (token, AcquisitionId { lease, request }))
    };
    parts().ok_or_else(|| corrupt("reading a hold", &"its key does not decode"))
}
