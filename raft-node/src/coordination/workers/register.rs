//! Registers a worker.

use super::operation::WorkerReply;
use super::rows::{self, Labels, WorkerRow, WorkerState};
use super::tell::tell_worker;
use super::{WORKERS_MAX, place};
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, WorkerEvent, WorkerRefusal};

/// Registers a worker under a lease. One that is offline comes back; one that is registered under the same lease says
/// something new of itself, and goes on draining if it does.
pub fn register(
    edit: &mut Edit<'_>,
    worker: &str,
    lease: LeaseId,
    labels: Labels,
    capacity: u32,
) -> Result<WorkerReply, Failure> {
    let before = rows::find_worker(edit.stage, worker)?;
    if let Some(row) = before.as_ref().filter(|row| row.state != WorkerState::Offline) {
        if row.lease != lease {
            return Err(edit.refused(WorkerRefusal::Exists {
                worker: worker.to_owned(),
                lease: row.lease,
            }));
        }
        let registered = row.registered;
        say(edit, worker, row, Some(capacity), Some(labels))?;
        return Ok(WorkerReply::Registered { registered });
    }
    if before.is_none() && rows::counts(edit.stage)?.workers >= WORKERS_MAX {
        return Err(edit.refused(WorkerRefusal::TooManyWorkers {
            workers_max: WORKERS_MAX,
        }));
    }
    bind(edit, worker, lease)?;
    let after = WorkerRow {
        lease,
        state: WorkerState::Active,
        labels,
        capacity,
        assigned: 0,
        registered: edit.revision,
        changed: edit.revision,
        since: edit.log_time,
        since_wall_ms: edit.wall_ms,
    };
    rows::set_worker(edit.stage, worker, before.as_ref(), Some(&after))?;
    tell_worker(edit, worker, WorkerEvent::Registered { lease, capacity });
    place::tell(edit, worker);
    Ok(WorkerReply::Registered {
        registered: after.registered,
    })
}

/// From now on the worker shares the lease's life.
fn bind(edit: &mut Edit<'_>, worker: &str, lease: LeaseId) -> Result<(), Failure> {
    if let Some(other) = rows::worker_of_lease(edit.stage, lease)? {
        return Err(edit.refused(WorkerRefusal::LeaseInUse { lease, worker: other }));
    }
    let attachment = Attachment::Worker {
        worker: worker.to_owned(),
    };
    if let Err(refusal) = leases::attach(edit.stage, lease, &attachment)? {
        return Err(edit.refused(refusal));
    }
    rows::set_worker_of_lease(edit.stage, lease, worker)?;
    Ok(())
}

/// Changes what a worker says of itself. A capacity below what it has is refused.
pub fn say(
    edit: &mut Edit<'_>,
    worker: &str,
    before: &WorkerRow,
    capacity: Option<u32>,
    labels: Option<Labels>,
) -> Result<(), Failure> {
    let mut after = before.clone();
    after.capacity = capacity.unwrap_or(before.capacity);
    after.labels = labels.unwrap_or_else(|| before.labels.clone());
    if after == *before {
        return Ok(());
    }
    if after.capacity < after.assigned {
        return Err(edit.refused(WorkerRefusal::NoCapacity {
            worker: worker.to_owned(),
            tasks: after.assigned,
            capacity: after.capacity,
        }));
    }
    rows::set_worker(edit.stage, worker, Some(before), Some(&after))?;
    let capacity = after.capacity;
    tell_worker(edit, worker, WorkerEvent::Updated { capacity });
    Ok(())
}
