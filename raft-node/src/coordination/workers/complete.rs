//! Ends a task that is done.

use super::operation::WorkerReply;
use super::tell::tell_task;
use super::{fence, place, unassign};
use crate::mvcc::{Edit, Failure};
use crate::types::TaskEvent;

/// Ends a task, unless the assignment under which it was done is over.
pub fn complete(edit: &mut Edit<'_>, name: &str, worker: &str, generation: u64) -> Result<WorkerReply, Failure> {
    let task = unassign::expected(edit, name, None)?;
    fence::check(edit, name, Some(&task), worker, generation)?;
    place::remove(edit, name, &task)?;
    let worker = worker.to_owned();
    tell_task(edit, name, TaskEvent::Completed { worker, generation });
    Ok(WorkerReply::Ended)
}
