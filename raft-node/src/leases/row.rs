//! The row of a lease.

use std::ops::ControlFlow;

use bincode::{Decode, Encode};

use crate::codec::Record;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{LeaseId, LeaseRefusal, Revision};

/// The kind of the rows of leases.
pub const LEASE_ROW: u8 = 1;
const COUNT: u8 = 3;

/// Things that share one lease's life: they all go in one revision.
pub const ATTACHED_MAX: u64 = 10_000;

/// Bytes of keys, values and tags that share one lease's life: they are all held in memory until they are history.
pub const KEY_BYTES_MAX: u64 = 64 << 20;

/// What is stored of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LeaseRow {
    /// Time to live without a renewal, in milliseconds.
    pub ttl_ms: u64,
    /// For people.
    pub name: String,
    /// Revision of the grant.
    pub granted: Revision,
    /// How many things are attached.
    pub attached: u64,
    /// Bytes of the keys that are attached: keys, values and tags.
    pub key_bytes: u64,
}

impl Record for LeaseRow {
    const ID: u16 = 0x0210;
    const VERSION: u8 = 1;
}

/// How many leases live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Count {
    leases: u64,
}

impl Record for Count {
    const ID: u16 = 0x0211;
    const VERSION: u8 = 1;
}

/// How many leases live.
pub fn count(view: &dyn View) -> Result<u64, StorageError> {
    let count: Option<Count> = rows::read(view, Table::Coordination, &Key::of(COUNT).done())?;
    Ok(count.unwrap_or_default().leases)
}

/// Sets how many leases live.
pub fn set_count(stage: &mut dyn Stage, leases: u64) -> Result<(), StorageError> {
    rows::write(stage, Table::Coordination, Key::of(COUNT).done(), &Count { leases })
}

/// The lease; none if it does not live.
pub fn find(view: &dyn View, lease: LeaseId) -> Result<Option<LeaseRow>, StorageError> {
    rows::read(view, Table::Coordination, &key(lease))
}

/// The lease, or the refusal to use one that does not live.
pub fn require(view: &dyn View, lease: LeaseId) -> Result<Result<LeaseRow, LeaseRefusal>, StorageError> {
    Ok(find(view, lease)?.ok_or(LeaseRefusal::Unknown { lease }))
}

/// Sets the row.
pub fn write(stage: &mut dyn Stage, lease: LeaseId, row: &LeaseRow) -> Result<(), StorageError> {
    rows::write(stage, Table::Coordination, key(lease), row)
}

/// Removes the row.
pub fn remove(stage: &mut dyn Stage, lease: LeaseId) {
    stage.delete(Table::Coordination, key(lease));
}

/// Visits every lease after `after`, in the order of their ids.
pub fn scan(
    view: &dyn View,
    after: LeaseId,
    visit: &mut dyn FnMut(LeaseId, LeaseRow) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let (from, end) = (key(after), rows::successor(&Key::of(LEASE_ROW).done()));
    let mut failed = None;
    view.scan(
        Table::Coordination,
        std::ops::Bound::Excluded(&from),
        rows::up_to(end.as_ref()),
        false,
        &mut |stored, row| match (decode(stored), rows::value(row)) {
            (Some(lease), Ok(row)) => visit(lease, row),
            (_, Err(error)) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
            (None, _) => {
                failed = Some(corrupt("reading a lease", &"its key does not decode"));
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

fn key(lease: LeaseId) -> Vec<u8> {
    Key::of(LEASE_ROW).number(lease.0).done()
}

fn decode(stored: &[u8]) -> Option<LeaseId> {
    let mut parts = Parts::of(LEASE_ROW, stored)?;
    let lease = LeaseId(parts.number()?);
    parts.end().map(|()| lease)
}
