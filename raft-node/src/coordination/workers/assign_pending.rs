//! Assigns tasks that wait.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::operation::{Placed, WorkerReply};
use super::rows::{self, Cursor, Labels, TaskRow};
use super::tell::tell_assigned;
use super::{STEPS_MAX, load, place};
use crate::mvcc::{Edit, Failure};
use crate::storage::StorageError;

/// Assigns up to `count` tasks, those that wait longest first. Tasks that nobody can take are passed, so that one of them
/// does not hold up the others; how far this looks is bounded, and the answer says where to go on.
pub fn assign_pending(edit: &mut Edit<'_>, count: u32, after: Option<&Cursor>) -> Result<WorkerReply, Failure> {
    let mut steps = STEPS_MAX;
    let mut placed = Vec::new();
    // Placing a task makes room for nobody: what found no worker finds none later, either.
    let mut hopeless = BTreeSet::new();
    let mut at = after.cloned();
    while placed.len() < count as usize {
        let before = at.clone();
        let fresh = steps == STEPS_MAX;
        let Some((waiting, task)) = next(edit, &mut at, &hopeless, &mut steps)? else {
            let next = at.filter(|_| steps == 0);
            return Ok(WorkerReply::PendingAssigned { placed, next });
        };
        match load::least_loaded(edit.stage, &task.labels, &mut steps)? {
            Some(worker) => placed.push(give(edit, waiting.task, task, worker)?),
            // The steps were used up on the way: it is looked at again, with all of them.
            None if steps == 0 && !fresh => return Ok(WorkerReply::PendingAssigned { placed, next: before }),
            None => {
                hopeless.insert(task.labels);
            }
        }
    }
    Ok(WorkerReply::PendingAssigned { placed, next: at })
}

fn give(edit: &mut Edit<'_>, task: String, row: TaskRow, worker: String) -> Result<Placed, Failure> {
    edit.charge_reply((task.len() + worker.len()) as u64)?;
    let generation = place::give(edit, &task, Some(&row.clone()), row, &worker)?;
    tell_assigned(edit, &task, None, &worker, generation);
    Ok(Placed {
        task,
        worker,
        generation,
    })
}

/// The next task that may find a worker; `at` is then there, or behind the last one that was passed.
fn next(
    edit: &Edit<'_>,
    at: &mut Option<Cursor>,
    hopeless: &BTreeSet<Labels>,
    steps: &mut u32,
) -> Result<Option<(Cursor, TaskRow)>, StorageError> {
    let mut found = None;
    let after = at.clone();
    rows::scan_waiting(edit.stage, after.as_ref(), &mut |waiting| {
        if *steps == 0 {
            return Ok(ControlFlow::Break(()));
        }
        *steps -= 1;
        let task = rows::decoded(rows::find_task(edit.stage, &waiting.task)?)?;
        *at = Some(waiting.clone());
        if hopeless.contains(&task.labels) {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some((waiting, task));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}
