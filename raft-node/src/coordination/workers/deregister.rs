//! Forgets a worker.

use super::operation::WorkerReply;
use super::rows::{self, WorkerState};
use super::tell::tell_worker;
use super::{end, place, update};
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, WorkerEvent, WorkerRefusal};

/// Forgets a worker; its tasks wait. Without its lease that is done only to a worker that is offline.
pub fn deregister(edit: &mut Edit<'_>, worker: &str, lease: Option<LeaseId>) -> Result<WorkerReply, Failure> {
    let row = match lease {
        Some(lease) => update::registered_under(edit, worker, lease)?,
        None => place::worker(edit, worker)?,
    };
    if row.state == WorkerState::Offline {
        rows::set_worker(edit.stage, worker, Some(&row), None)?;
        tell_worker(edit, worker, WorkerEvent::Deregistered);
        return Ok(WorkerReply::Deregistered { pending: 0 });
    }
    if lease.is_none() {
        return Err(edit.refused(WorkerRefusal::Exists {
            worker: worker.to_owned(),
            lease: row.lease,
        }));
    }
    let attachment = Attachment::Worker {
        worker: worker.to_owned(),
    };
    leases::detach(edit.stage, row.lease, &attachment)?;
    rows::remove_worker_of_lease(edit.stage, row.lease);
    rows::set_worker(edit.stage, worker, Some(&row), None)?;
    tell_worker(edit, worker, WorkerEvent::Deregistered);
    end::tasks_wait(edit, worker)?;
    place::tell(edit, worker);
    Ok(WorkerReply::Deregistered { pending: row.assigned })
}
