//! What becomes of a worker, and of its tasks, when it is gone.

use super::place;
use super::rows::{self, WorkerRow, WorkerState};
use super::tell::{tell_waiting, tell_worker};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, TaskWait, WorkerEvent};

/// A lease has ended that a worker was registered under: it is offline, and its tasks wait.
pub fn lease_ended(edit: &mut Edit<'_>, lease: LeaseId, worker: &str) -> Result<(), Failure> {
    rows::remove_worker_of_lease(edit.stage, lease);
    let before = place::worker(edit, worker)?;
    let after = WorkerRow {
        state: WorkerState::Offline,
        assigned: 0,
        changed: edit.revision,
        since: edit.log_time,
        since_wall_ms: edit.wall_ms,
        ..before.clone()
    };
    rows::set_worker(edit.stage, worker, Some(&before), Some(&after))?;
    tell_worker(edit, worker, WorkerEvent::Offline { lease });
    tasks_wait(edit, worker)?;
    place::tell(edit, worker);
    Ok(())
}

/// Every task of a worker waits from now on. What is counted of the worker is the caller's.
pub fn tasks_wait(edit: &mut Edit<'_>, worker: &str) -> Result<(), Failure> {
    for name in rows::tasks_of(edit.stage, worker)? {
        if let Some(task) = rows::find_task(edit.stage, &name)? {
            let waiting = place::wait(edit, &name, Some(&task.clone()), task)?;
            tell_waiting(
                edit,
                &name,
                Some(worker.to_owned()),
                waiting.generation,
                TaskWait::WorkerGone,
            );
        }
    }
    Ok(())
}
