//! Makes the assignments what somebody who has read them wants of them.
//!
//! What was wanted was worked out from all assignments, so all of it is done or none, and only if no assignment has changed
//! since. A worker's tasks are counted once, at the end: what is checked is how many it has then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bincode::{Decode, Encode};

use super::operation::WorkerReply;
use super::rows::{self, Labels, TaskRow, WorkerState};
use super::tell::{tell_assigned, tell_waiting};
use super::{SYNC_MAX, TASKS_MAX, place};
use crate::mvcc::{Edit, Failure};
use crate::types::{Revision, TaskWait, WorkerRefusal};

/// What is wanted of the assignments.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncAssignments {
    /// No assignment may have changed after this revision; 0: there must be no task.
    pub expected: Revision,
    /// All tasks of each of these workers. A task is named once.
    pub workers: BTreeMap<String, BTreeSet<String>>,
    /// Other workers keep their tasks, but for those that are named; otherwise all of theirs wait.
    pub only_workers: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Synced {
    /// Tasks that were made, or waited before.
    pub assigned: u32,
    /// Tasks that another worker had.
    pub moved: u32,
    /// Tasks that wait now.
    pub unassigned: u32,
    /// Tasks that were where they should be.
    pub kept: u32,
}

/// How many tasks more or less each worker has.
type Counted = BTreeMap<String, i64>;

/// Does what is wanted.
pub fn sync(edit: &mut Edit<'_>, wanted: &SyncAssignments) -> Result<WorkerReply, Failure> {
    check_unchanged(edit, wanted.expected)?;
    check_capacities(edit, wanted)?;
    let mut synced = Synced::default();
    let mut counted = Counted::new();
    for (worker, task) in to_wait(edit, wanted)? {
        wait(edit, &worker, &task)?;
        *counted.entry(worker).or_default() -= 1;
        synced.unassigned += 1;
    }
    for (worker, tasks) in &wanted.workers {
        for task in tasks {
            give(edit, worker, task, &mut synced, &mut counted)?;
        }
    }
    for (worker, more) in counted {
        place::recount(edit, &worker, more)?;
    }
    let generation = if synced.assigned + synced.moved + synced.unassigned > 0 {
        place::generation(edit)
    } else {
        0
    };
    Ok(WorkerReply::Synced {
        synced,
        generation,
        changed: rows::changed(edit.stage)?,
    })
}

fn check_unchanged(edit: &Edit<'_>, expected: Revision) -> Result<(), Failure> {
    let found = rows::changed(edit.stage)?;
    // A revision that is yet to come was never read.
    let was_read = expected < edit.revision;
    if (was_read && found <= expected) || (expected == Revision(0) && rows::counts(edit.stage)?.tasks == 0) {
        return Ok(());
    }
    Err(edit.refused(WorkerRefusal::AssignmentsChanged { expected, found }))
}

/// Every worker is registered and can have what it is to have.
fn check_capacities(edit: &Edit<'_>, wanted: &SyncAssignments) -> Result<(), Failure> {
    for (name, tasks) in &wanted.workers {
        let row = place::worker(edit, name)?;
        let tasks = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        if tasks > 0 && row.state == WorkerState::Offline {
            return Err(edit.refused(WorkerRefusal::Offline { worker: name.clone() }));
        }
        if tasks > row.capacity {
            return Err(edit.refused(WorkerRefusal::NoCapacity {
                worker: name.clone(),
                tasks,
                capacity: row.capacity,
            }));
        }
    }
    Ok(())
}

/// Tasks that a worker has and nobody is to have, with their workers.
fn to_wait(edit: &Edit<'_>, wanted: &SyncAssignments) -> Result<Vec<(String, String)>, Failure> {
    let named: BTreeSet<&String> = wanted.workers.values().flatten().collect();
    let mut found = Vec::new();
    let mut too_many = false;
    let mut visit = |worker: String, task: String| {
        if named.contains(&task) {
            return Ok(ControlFlow::Continue(()));
        }
        if found.len() == SYNC_MAX as usize {
            too_many = true;
            return Ok(ControlFlow::Break(()));
        }
        found.push((worker, task));
        Ok(ControlFlow::Continue(()))
    };
    if wanted.only_workers {
        for worker in wanted.workers.keys() {
            rows::scan_tasks_of(edit.stage, worker, None, &mut |task| visit(worker.clone(), task))?;
        }
    } else {
        rows::scan_assigned(edit.stage, &mut visit)?;
    }
    if too_many {
        return Err(edit.refused(WorkerRefusal::TooManyToWait { tasks_max: SYNC_MAX }));
    }
    Ok(found)
}

fn wait(edit: &mut Edit<'_>, worker: &str, name: &str) -> Result<(), Failure> {
    if let Some(task) = rows::find_task(edit.stage, name)? {
        let waiting = place::wait(edit, name, Some(&task.clone()), task)?;
        let from = Some(worker.to_owned());
        tell_waiting(edit, name, from, waiting.generation, TaskWait::Unassigned);
    }
    Ok(())
}

fn give(
    edit: &mut Edit<'_>,
    worker: &str,
    name: &str,
    synced: &mut Synced,
    counted: &mut Counted,
) -> Result<(), Failure> {
    let before = rows::find_task(edit.stage, name)?;
    let from = before.as_ref().and_then(|task| task.worker.clone());
    if from.as_deref() == Some(worker) {
        synced.kept += 1;
        return Ok(());
    }
    if before.is_none() && rows::counts(edit.stage)?.tasks >= TASKS_MAX {
        return Err(edit.refused(WorkerRefusal::TooManyTasks { tasks_max: TASKS_MAX }));
    }
    let task = before.clone().unwrap_or_else(|| new_task(edit));
    check_suits(edit, worker, &task.labels)?;
    let generation = place::assign(edit, name, before.as_ref(), task, worker)?;
    *counted.entry(worker.to_owned()).or_default() += 1;
    if let Some(from) = &from {
        *counted.entry(from.clone()).or_default() -= 1;
        synced.moved += 1;
    } else {
        synced.assigned += 1;
    }
    tell_assigned(edit, name, from, worker, generation);
    Ok(())
}

/// Refuses a worker that takes nothing new, or lacks labels that a task asks for.
fn check_suits(edit: &Edit<'_>, name: &str, labels: &Labels) -> Result<(), Failure> {
    let row = place::worker(edit, name)?;
    let worker = name.to_owned();
    if row.state != WorkerState::Active {
        return Err(edit.refused(WorkerRefusal::Draining { worker }));
    }
    if !row.carries(labels) {
        let labels = labels.clone();
        return Err(edit.refused(WorkerRefusal::Unsuitable { worker, labels }));
    }
    Ok(())
}

fn new_task(edit: &Edit<'_>) -> TaskRow {
    TaskRow {
        generation: 0,
        worker: None,
        labels: Labels::new(),
        created: edit.revision,
        since: edit.log_time,
        since_wall_ms: edit.wall_ms,
        data_bytes: 0,
    }
}
