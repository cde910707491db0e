//! Assigns a task.

use super::operation::{Destination, WorkerReply};
use super::rows::{self, Labels, TaskRow};
use super::tell::{tell_assigned, tell_waiting};
use super::{STEPS_MAX, TASKS_MAX, load, place};
use crate::mvcc::{Edit, Failure};
use crate::types::{TaskWait, WorkerRefusal};

/// What is to be stored of the task.
pub struct Wanted {
    /// Labels that a worker must carry to have it.
    pub labels: Labels,
    /// What the worker is to know of it.
    pub data: Vec<u8>,
}

/// Assigns a task, new, waiting, or, where its generation is expected, of another worker. A task that is just as was
/// asked stays as it is.
pub fn assign(
    edit: &mut Edit<'_>,
    name: &str,
    to: &Destination,
    wanted: Wanted,
    expected_generation: Option<u64>,
) -> Result<WorkerReply, Failure> {
    let found = rows::find_task(edit.stage, name)?;
    let same = has_content(edit, name, found.as_ref(), &wanted)?;
    if let Some(expected) = expected_generation {
        check_generation(edit, name, found.as_ref(), expected)?;
    } else if let Some(task) = &found {
        if same && is_with(task, to) {
            return Ok(answer(task));
        }
        check_unassigned(edit, name, task)?;
    }
    if found.is_none() && rows::counts(edit.stage)?.tasks >= TASKS_MAX {
        return Err(edit.refused(WorkerRefusal::TooManyTasks { tasks_max: TASKS_MAX }));
    }
    let from = found.as_ref().and_then(|task| task.worker.clone());
    let before = found.map(|task| place::take(edit, name, task)).transpose()?;
    let chosen = choose(edit, name, to, &wanted.labels)?;
    if let (None, Some(waiting)) = (&chosen, before.as_ref().filter(|_| same)) {
        if from.is_some() {
            tell_waiting(edit, name, from, waiting.generation, TaskWait::NoWorker);
        }
        return Ok(answer(waiting));
    }
    let task = store_wanted(edit, name, before.as_ref(), wanted)?;
    let Some(worker) = chosen else {
        let waiting = place::wait(edit, name, before.as_ref(), task)?;
        tell_waiting(edit, name, from, waiting.generation, TaskWait::NoWorker);
        return Ok(answer(&waiting));
    };
    let generation = place::give(edit, name, before.as_ref(), task, &worker)?;
    tell_assigned(edit, name, from, &worker, generation);
    Ok(WorkerReply::Assigned {
        worker: Some(worker),
        generation,
    })
}

/// Refuses a task that is not at the generation that was expected; 0 expects that there is no such task.
pub fn check_generation(edit: &Edit<'_>, name: &str, found: Option<&TaskRow>, expected: u64) -> Result<(), Failure> {
    let found = found.map_or(0, |task| task.generation);
    if found == expected {
        return Ok(());
    }
    Err(edit.refused(WorkerRefusal::Changed {
        task: name.to_owned(),
        expected,
        found,
    }))
}

fn check_unassigned(edit: &Edit<'_>, name: &str, task: &TaskRow) -> Result<(), Failure> {
    match &task.worker {
        None => Ok(()),
        Some(worker) => Err(edit.refused(WorkerRefusal::Assigned {
            task: name.to_owned(),
            worker: worker.clone(),
            generation: task.generation,
        })),
    }
}

/// The task is there, and asks for and says what is wanted.
fn has_content(edit: &Edit<'_>, name: &str, found: Option<&TaskRow>, wanted: &Wanted) -> Result<bool, Failure> {
    let alike = |task: &&TaskRow| task.labels == wanted.labels && task.data_bytes as usize == wanted.data.len();
    match found.filter(alike) {
        None => Ok(false),
        Some(task) => Ok(rows::read_data(edit.stage, name, task)? == wanted.data),
    }
}

/// It is already where it is to go.
fn is_with(task: &TaskRow, to: &Destination) -> bool {
    match to {
        Destination::Worker(worker) => task.worker.as_ref() == Some(worker),
        Destination::LeastLoaded { .. } => task.worker.is_some(),
    }
}

fn store_wanted(edit: &mut Edit<'_>, name: &str, before: Option<&TaskRow>, wanted: Wanted) -> Result<TaskRow, Failure> {
    let data_bytes = u32::try_from(wanted.data.len()).unwrap_or(u32::MAX);
    rows::set_data(edit.stage, name, before.map_or(0, |task| task.data_bytes), wanted.data)?;
    Ok(TaskRow {
        generation: 0,
        worker: None,
        labels: wanted.labels,
        created: before.map_or(edit.revision, |task| task.created),
        since: edit.log_time,
        since_wall_ms: edit.wall_ms,
        data_bytes,
    })
}

/// Who is to have it; none: it waits.
fn choose(edit: &Edit<'_>, name: &str, to: &Destination, labels: &Labels) -> Result<Option<String>, Failure> {
    match to {
        Destination::Worker(worker) => {
            place::check_can_take(edit, worker, labels)?;
            Ok(Some(worker.clone()))
        }
        Destination::LeastLoaded { or_wait } => match load::least_loaded(edit.stage, labels, &mut { STEPS_MAX })? {
            None if !or_wait => Err(edit.refused(WorkerRefusal::NoWorker {
                task: name.to_owned(),
                labels: labels.clone(),
            })),
            found => Ok(found),
        },
    }
}

fn answer(task: &TaskRow) -> WorkerReply {
    WorkerReply::Assigned {
        worker: task.worker.clone(),
        generation: task.generation,
    }
}
