//! Ends a task that is not done.

use super::operation::WorkerReply;
use super::tell::tell_task;
use super::{place, unassign};
use crate::mvcc::{Edit, Failure};
use crate::types::TaskEvent;

/// Ends a task, assigned or waiting. Whoever has it is fenced from then on.
pub fn cancel(edit: &mut Edit<'_>, name: &str, generation: Option<u64>) -> Result<WorkerReply, Failure> {
    let task = unassign::expected(edit, name, generation)?;
    place::remove(edit, name, &task)?;
    let what = TaskEvent::Cancelled {
        generation: task.generation,
        from: task.worker,
    };
    tell_task(edit, name, what);
    Ok(WorkerReply::Ended)
}
