//! Changes what a worker says of itself.

use super::operation::WorkerReply;
use super::rows::{Labels, WorkerRow, WorkerState};
use super::{place, register};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, WorkerRefusal};

/// Changes the capacity, the labels, or both.
pub fn update(
    edit: &mut Edit<'_>,
    worker: &str,
    lease: LeaseId,
    capacity: Option<u32>,
    labels: Option<Labels>,
) -> Result<WorkerReply, Failure> {
    let before = registered_under(edit, worker, lease)?;
    register::say(edit, worker, &before, capacity, labels)?;
    Ok(WorkerReply::Updated)
}

/// A worker that must be registered under this lease.
pub fn registered_under(edit: &Edit<'_>, worker: &str, lease: LeaseId) -> Result<WorkerRow, Failure> {
    let row = place::worker(edit, worker)?;
    if row.lease != lease || row.state == WorkerState::Offline {
        return Err(edit.refused(WorkerRefusal::NotRegistered {
            worker: worker.to_owned(),
            lease,
        }));
    }
    Ok(row)
}
