//! Locks, semaphores and elections.

use bincode::{Decode, Encode};

use crate::mvcc::{Edit, Failure};
use crate::types::LeaseId;

/// An operation on locks.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockOperation {}

impl LockOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        match *self {}
    }
}

/// The answer of an operation on locks.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockReply {}

/// Does the operation.
pub fn operate(_edit: &mut Edit<'_>, operation: LockOperation) -> Result<LockReply, Failure> {
    match operation {}
}

/// A lease has ended that this request of it held locks with, or waited for them.
pub fn lease_ended(_edit: &mut Edit<'_>, _lease: LeaseId, _request: u64) -> Result<(), Failure> {
    Ok(())
}
