//! Workers and assignments.

use bincode::{Decode, Encode};

use crate::mvcc::{Edit, Failure};
use crate::types::LeaseId;

/// An operation on workers.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerOperation {}

impl WorkerOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        match *self {}
    }
}

/// The answer of an operation on workers.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerReply {}

/// Does the operation.
pub fn operate(_edit: &mut Edit<'_>, operation: WorkerOperation) -> Result<WorkerReply, Failure> {
    match operation {}
}

/// A lease has ended that a worker was registered under.
pub fn lease_ended(_edit: &mut Edit<'_>, _lease: LeaseId, _worker: &str) -> Result<(), Failure> {
    Ok(())
}
