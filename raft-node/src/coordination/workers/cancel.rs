//! Ends a task that is not done.

use super::operation::WorkerReply;
use super::{place, unassign};
use crate::mvcc::{Edit, Failure};

/// Ends a task, assigned or waiting. Whoever has it is fenced from then on.
pub fn cancel(edit: &mut Edit<'_>, name: &str, generation: Option<u64>) -> Result<WorkerReply, Failure> {
    let task = unassign::expected(edit, name, generation)?;
    place::remove(edit, name, &task)?;
    Ok(WorkerReply::Ended)
}
