//! Assigns a task to another worker.

use super::operation::WorkerReply;
use super::tell::tell_assigned;
use super::{fence, place, rows};
use crate::mvcc::{Edit, Failure};
use crate::types::WorkerRefusal;

/// Moves a task, unless it has changed since somebody planned to.
pub fn move_task(
    edit: &mut Edit<'_>,
    name: &str,
    from: &str,
    generation: u64,
    to: &str,
) -> Result<WorkerReply, Failure> {
    let task = rows::find_task(edit.stage, name)?.filter(|task| fence::is_at(task, from, generation));
    let Some(task) = task else {
        return Err(edit.refused(WorkerRefusal::NotThere {
            task: name.to_owned(),
            from: from.to_owned(),
            generation,
        }));
    };
    let waiting = place::take(edit, name, task)?;
    place::check_can_take(edit, to, &waiting.labels)?;
    let generation = place::give(edit, name, Some(&waiting.clone()), waiting, to)?;
    tell_assigned(edit, name, Some(from.to_owned()), to, generation);
    Ok(WorkerReply::Assigned {
        worker: Some(to.to_owned()),
        generation,
    })
}
