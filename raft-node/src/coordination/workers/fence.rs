//! Refuses a transaction whose assignment is over.

use super::operation::WorkerReply;
use super::rows::{self, TaskRow};
use crate::mvcc::{Edit, Failure};
use crate::types::WorkerRefusal;

/// Changes nothing; refuses unless this worker has this task by this assignment.
pub fn fence(edit: &Edit<'_>, name: &str, worker: &str, generation: u64) -> Result<WorkerReply, Failure> {
    let task = rows::find_task(edit.stage, name)?;
    check(edit, name, task.as_ref(), worker, generation)?;
    Ok(WorkerReply::Stands)
}

/// Refuses unless the task is this worker's by this assignment.
pub fn check(
    edit: &Edit<'_>,
    name: &str,
    task: Option<&TaskRow>,
    worker: &str,
    generation: u64,
) -> Result<(), Failure> {
    if task.is_some_and(|task| is_at(task, worker, generation)) {
        return Ok(());
    }
    Err(edit.refused(WorkerRefusal::Stale {
        task: name.to_owned(),
        worker: worker.to_owned(),
        generation,
    }))
}

/// The task is this worker's by this assignment.
pub fn is_at(task: &TaskRow, worker: &str, generation: u64) -> bool {
    task.generation == generation && task.worker.as_deref() == Some(worker)
}
