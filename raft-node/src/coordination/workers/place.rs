//! Gives a task to a worker and takes it away. What is counted of a worker changes here alone, and in `end.rs`.

use super::rows::{self, Labels, TaskRow, WorkerRow, WorkerState};
use crate::mvcc::{Edit, Failure};
use crate::types::{Signal, WorkerRefusal};

/// Generations are made of the revision and the number of the operation.
const OPERATIONS_PER_REVISION: u64 = 4096;

/// The generation that the running operation gives to what it assigns and unassigns: greater than any before it.
pub fn generation(edit: &Edit<'_>) -> u64 {
    edit.revision.0.saturating_mul(OPERATIONS_PER_REVISION) + u64::from(edit.operation)
}

/// A worker that must be registered.
pub fn worker(edit: &Edit<'_>, worker: &str) -> Result<WorkerRow, Failure> {
    match rows::find_worker(edit.stage, worker)? {
        Some(row) => Ok(row),
        None => Err(edit.refused(WorkerRefusal::UnknownWorker {
            worker: worker.to_owned(),
        })),
    }
}

/// Refuses a worker that cannot take one more task that asks for these labels.
pub fn check_can_take(edit: &Edit<'_>, name: &str, labels: &Labels) -> Result<(), Failure> {
    let row = worker(edit, name)?;
    let worker = name.to_owned();
    let refusal = match row.state {
        WorkerState::Offline => WorkerRefusal::Offline { worker },
        WorkerState::Draining => WorkerRefusal::Draining { worker },
        WorkerState::Active if !row.carries(labels) => WorkerRefusal::Unsuitable {
            worker,
            labels: labels.clone(),
        },
        WorkerState::Active if !row.has_room() => WorkerRefusal::NoCapacity {
            worker,
            tasks: row.assigned.saturating_add(1),
            capacity: row.capacity,
        },
        WorkerState::Active => return Ok(()),
    };
    Err(edit.refused(refusal))
}

/// Gives a task that waits, or is new, to a worker that can take it.
pub fn give(
    edit: &mut Edit<'_>,
    name: &str,
    before: Option<&TaskRow>,
    task: TaskRow,
    to: &str,
) -> Result<u64, Failure> {
    count(edit, to, |assigned| assigned.saturating_add(1))?;
    assign(edit, name, before, task, to)
}

/// The same, of a worker that the caller [recounts](recount), and of a task that another worker may have.
pub fn assign(
    edit: &mut Edit<'_>,
    name: &str,
    before: Option<&TaskRow>,
    task: TaskRow,
    to: &str,
) -> Result<u64, Failure> {
    let after = TaskRow {
        worker: Some(to.to_owned()),
        ..moved(edit, task)
    };
    rows::set_task_rows(edit.stage, edit.revision, name, before, Some(&after))?;
    Ok(after.generation)
}

/// A task that waits, or is new, waits from now on.
pub fn wait(edit: &mut Edit<'_>, name: &str, before: Option<&TaskRow>, task: TaskRow) -> Result<TaskRow, Failure> {
    let after = TaskRow {
        worker: None,
        ..moved(edit, task)
    };
    rows::set_task_rows(edit.stage, edit.revision, name, before, Some(&after))?;
    Ok(after)
}

/// Takes a task from the worker that has it, if one does; it waits.
pub fn take(edit: &mut Edit<'_>, name: &str, task: TaskRow) -> Result<TaskRow, Failure> {
    let Some(worker) = task.worker.clone() else {
        return Ok(task);
    };
    count(edit, &worker, |assigned| assigned.saturating_sub(1))?;
    wait(edit, name, Some(&task.clone()), task)
}

/// Removes a task, and takes it from the worker that has it, if one does.
pub fn remove(edit: &mut Edit<'_>, name: &str, task: &TaskRow) -> Result<(), Failure> {
    if let Some(worker) = &task.worker {
        count(edit, worker, |assigned| assigned.saturating_sub(1))?;
    }
    rows::set_data(edit.stage, name, task.data_bytes, Vec::new())?;
    rows::set_task_rows(edit.stage, edit.revision, name, Some(task), None)?;
    Ok(())
}

/// The assignments of a worker have changed.
pub fn tell(edit: &mut Edit<'_>, worker: &str) {
    edit.signals.push(Signal::Assignments {
        worker: worker.to_owned(),
    });
}

/// A worker has so many tasks more, or less, than are counted. Its assignments have changed, even if it has as many.
pub fn recount(edit: &mut Edit<'_>, name: &str, more: i64) -> Result<(), Failure> {
    count(edit, name, |assigned| {
        u32::try_from(i64::from(assigned) + more).unwrap_or_default()
    })
}

fn count(edit: &mut Edit<'_>, name: &str, change: impl FnOnce(u32) -> u32) -> Result<(), Failure> {
    let before = worker(edit, name)?;
    let after = WorkerRow {
        assigned: change(before.assigned),
        changed: edit.revision,
        ..before.clone()
    };
    rows::set_worker(edit.stage, name, Some(&before), Some(&after))?;
    tell(edit, name);
    Ok(())
}

fn moved(edit: &Edit<'_>, task: TaskRow) -> TaskRow {
    TaskRow {
        generation: generation(edit),
        since: edit.log_time,
        since_wall_ms: edit.wall_ms,
        ..task
    }
}
