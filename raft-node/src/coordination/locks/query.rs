//! What can be read of locks.

use std::ops::{Bound, ControlFlow};

use super::operation::Grant;
use super::rows::lock::{self as locks, LockRow};
use super::rows::{AcquisitionId, acquisition as acquisitions, hold, value};
use crate::rows;
use crate::storage::{StorageError, Table, View, corrupt};
use crate::types::{LeaseId, Revision, Share};

/// A lock that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// What is stored of it.
    pub row: LockRow,
    /// Those who hold it, the oldest hold first; not all of them if there are many.
    pub holders: Vec<Holder>,
}

/// One who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lease.
    pub lease: LeaseId,
    /// The request that it was granted to.
    pub request: u64,
    /// Revision of the grant.
    pub token: Revision,
    /// How much it holds.
    pub share: Share,
    /// What it proclaims.
    pub value: Vec<u8>,
}

/// What has become of an acquisition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// It never was, was given up, or all it held was released.
    Absent,
    /// It waits.
    Queued {
        /// For this lock.
        lock: String,
        /// At most so many are served before it.
        ahead_max: u64,
    },
    /// It holds all its locks, less what was released of them.
    Granted {
        /// What it holds.
        holds: Vec<Grant>,
    },
}

/// The lock, with at most `holders_max` of those who hold it; none if nobody holds it or waits for it.
pub fn lock(view: &dyn View, name: &str, holders_max: usize) -> Result<Option<Lock>, StorageError> {
    let Some(row) = locks::find(view, name)? else {
        return Ok(None);
    };
    Ok(Some(Lock {
        name: name.to_owned(),
        row,
        holders: holders(view, name, holders_max)?,
    }))
}

/// When the holds of a lock, or what they proclaim, last changed; 0 for a lock that does not exist.
pub fn changed(view: &dyn View, name: &str) -> Result<Revision, StorageError> {
    Ok(locks::find(view, name)?.map_or(Revision(0), |row| row.changed))
}

/// What has become of a request of a lease.
pub fn acquisition(view: &dyn View, lease: LeaseId, request: u64) -> Result<Acquisition, StorageError> {
    let Some(row) = acquisitions::find(view, AcquisitionId { lease, request })? else {
        return Ok(Acquisition::Absent);
    };
    Ok(match row.next_name() {
        None => Acquisition::Granted { holds: row.granted() },
        Some(name) => Acquisition::Queued {
            ahead_max: locks::require(view, name)?.ahead_max(row.ticket),
            lock: name.to_owned(),
        },
    })
}

/// At most `limit` locks whose names start with `prefix` and come after `after`, in the order of their names, each with
/// the oldest of its holders; and whether there are more.
pub fn list(
    view: &dyn View,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Lock>, bool), StorageError> {
    let prefix = locks::prefix(prefix);
    let end = rows::successor(&prefix);
    let after = after.map(locks::key).filter(|after| *after >= prefix);
    let from = after
        .as_deref()
        .map_or(Bound::Included(prefix.as_slice()), Bound::Excluded);
    if let (Bound::Excluded(from), Some(end)) = (from, &end)
        && from >= end.as_slice()
    {
        return Ok((Vec::new(), false));
    }
    let (mut found, mut more) = (Vec::new(), false);
    view.scan(
        Table::Coordination,
        from,
        rows::up_to(end.as_ref()),
        false,
        &mut |key, row| {
            if found.len() == limit {
                more = true;
                return ControlFlow::Break(());
            }
            found.push((key.to_vec(), row.to_vec()));
            ControlFlow::Continue(())
        },
    )?;
    let mut listed = Vec::with_capacity(found.len());
    for (key, row) in found {
        let Some(name) = locks::decode(&key) else {
            return Err(corrupt("listing locks", &"a key does not decode"));
        };
        listed.push(Lock {
            row: rows::value(&row)?,
            holders: holders(view, &name, 1)?,
            name,
        });
    }
    Ok((listed, more))
}

fn holders(view: &dyn View, name: &str, limit: usize) -> Result<Vec<Holder>, StorageError> {
    let holds = hold::all(view, name, None, limit)?;
    let holder = |(token, id): (Revision, AcquisitionId)| {
        let row = acquisitions::require(view, id)?;
        let value = if row.has_value {
            value::get(view, id)?
        } else {
            Vec::new()
        };
        Ok(Holder {
            lease: id.lease,
            request: id.request,
            token,
            share: row.share,
            value,
        })
    };
    holds.into_iter().map(holder).collect()
}
