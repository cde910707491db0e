//! Queues.

use bincode::{Decode, Encode};

use crate::mvcc::{Edit, Failure};
use crate::storage::View;
use crate::types::{LeaseId, LogTimeMs};

/// An operation on queues.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum QueueOperation {}

impl QueueOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        match *self {}
    }
}

/// The answer of an operation on queues.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum QueueReply {}

/// Does the operation.
pub fn operate(_edit: &mut Edit<'_>, operation: QueueOperation) -> Result<QueueReply, Failure> {
    match operation {}
}

/// A lease has ended under which this item was claimed.
pub fn lease_ended(_edit: &mut Edit<'_>, _lease: LeaseId, _queue: u64, _item: u64) -> Result<(), Failure> {
    Ok(())
}

/// Does what is due by the group's log time, at most `timers_max` of it. Returns how much it did.
pub fn run_timers(_edit: &mut Edit<'_>, _timers_max: u32) -> Result<u64, Failure> {
    Ok(0)
}

/// When the next timer is due.
pub fn next_timer(_view: &dyn View) -> Option<LogTimeMs> {
    None
}
