//! Takes a task from its worker.

use super::operation::WorkerReply;
use super::rows::{self, TaskRow};
use super::tell::tell_waiting;
use super::{assign, place};
use crate::mvcc::{Edit, Failure};
use crate::types::{TaskWait, WorkerRefusal};

/// Takes a task from the worker that has it; it waits. One that waits already goes on waiting.
pub fn unassign(edit: &mut Edit<'_>, name: &str, generation: Option<u64>) -> Result<WorkerReply, Failure> {
    let task = expected(edit, name, generation)?;
    let from = task.worker.clone();
    let generation = place::take(edit, name, task)?.generation;
    if from.is_some() {
        tell_waiting(edit, name, from, generation, TaskWait::Unassigned);
    }
    Ok(WorkerReply::Unassigned { generation })
}

/// A task that must be there, at a generation if one is given.
pub fn expected(edit: &Edit<'_>, name: &str, generation: Option<u64>) -> Result<TaskRow, Failure> {
    let Some(task) = rows::find_task(edit.stage, name)? else {
        return Err(edit.refused(WorkerRefusal::UnknownTask { task: name.to_owned() }));
    };
    if let Some(generation) = generation {
        assign::check_generation(edit, name, Some(&task), generation)?;
    }
    Ok(task)
}
