//! What is stored of workers and tasks. The rows of one thing change together, in [`set_worker`] and [`set_task_rows`].

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use super::load;
use crate::codec::Record;
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{LeaseId, LogTimeMs, Revision};

/// The kind of the rows of workers.
pub const WORKER_ROW: u8 = 40;
const COUNTS: u8 = 41;
const WORKER_OF_LEASE: u8 = 42;
/// Of the rows by load.
pub const BY_LOAD: u8 = 43;
/// The kind of the rows of tasks.
pub const TASK_ROW: u8 = 44;
const TASK_OF_WORKER: u8 = 45;
const WAITING: u8 = 46;
/// In the table of items.
const DATA: u8 = 47;
const CHANGED: u8 = 48;

/// What a worker can do, or what a task asks for.
pub type Labels = BTreeMap<String, String>;

/// What a worker is doing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerState {
    /// It takes tasks and items.
    Active,
    /// It finishes what it has.
    Draining,
    /// Its lease has ended.
    Offline,
}

/// What is stored of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerRow {
    /// Its life; of a worker that is offline, what was.
    pub lease: LeaseId,
    /// What it is doing.
    pub state: WorkerState,
    /// What it can do.
    pub labels: Labels,
    /// How many tasks it may have at a time.
    pub capacity: u32,
    /// How many it has.
    pub assigned: u32,
    /// Revision of its registration.
    pub registered: Revision,
    /// Revision at which its assignments or its state last changed.
    pub changed: Revision,
    /// Since when it is in this state.
    pub since: LogTimeMs,
    /// The same, for people.
    pub since_wall_ms: u64,
}

/// What is stored of a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TaskRow {
    /// Grows whenever it is assigned or unassigned.
    pub generation: u64,
    /// Who has it; none: it waits.
    pub worker: Option<String>,
    /// Labels that a worker must carry to have it.
    pub labels: Labels,
    /// Revision at which it was first assigned.
    pub created: Revision,
    /// Since when its worker has it, or it waits.
    pub since: LogTimeMs,
    /// The same, for people.
    pub since_wall_ms: u64,
    /// Bytes of its data, which are in a row of their own if there are any.
    pub data_bytes: u32,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Workers, those that are offline included.
    pub workers: u64,
    /// Tasks, those that wait included.
    pub tasks: u64,
}

/// Data of a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TaskData {
    /// As it was given.
    pub data: Vec<u8>,
}

/// Which worker a lease registers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WorkerOfLease {
    /// Its name.
    pub worker: String,
}

/// When an assignment last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LastChange {
    /// At this revision.
    pub revision: Revision,
}

impl Record for WorkerRow {
    const ID: u16 = 0x0240;
    const VERSION: u8 = 1;
}

impl Record for Counts {
    const ID: u16 = 0x0241;
    const VERSION: u8 = 1;
}

impl Record for TaskRow {
    const ID: u16 = 0x0242;
    const VERSION: u8 = 1;
}

impl Record for TaskData {
    const ID: u16 = 0x0243;
    const VERSION: u8 = 1;
}

impl Record for WorkerOfLease {
    const ID: u16 = 0x0244;
    const VERSION: u8 = 1;
}

impl Record for LastChange {
    const ID: u16 = 0x0245;
    const VERSION: u8 = 1;
}

/// A place in a list of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// Of the task; what lists of waiting tasks are sorted by.
    pub generation: u64,
    /// Its name.
    pub task: String,
}

impl WorkerRow {
    /// It can be given a task.
    pub fn has_room(&self) -> bool {
        self.state == WorkerState::Active && self.assigned < self.capacity
    }

    /// It carries every one of these.
    pub fn carries(&self, labels: &Labels) -> bool {
        labels
            .iter()
            .all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

/// The worker; none if it is not registered.
pub fn find_worker(view: &dyn View, worker: &str) -> Result<Option<WorkerRow>, StorageError> {
    rows::read(view, Table::Coordination, &worker_key(worker))
}

/// Changes what is stored of a worker from `before` to `after`, and its places by load with it.
pub fn set_worker(
    stage: &mut dyn Stage,
    worker: &str,
    before: Option<&WorkerRow>,
    after: Option<&WorkerRow>,
) -> Result<(), StorageError> {
    let old = before.map_or(Vec::new(), |row| load::keys(worker, row));
    let new = after.map_or(Vec::new(), |row| load::keys(worker, row));
    for key in old.iter().filter(|key| !new.contains(key)) {
        stage.delete(Table::Coordination, key.clone());
    }
    for key in new.iter().filter(|key| !old.contains(key)) {
        stage.put(Table::Coordination, key.clone(), Vec::new());
    }
    match after {
        Some(row) => rows::write(stage, Table::Coordination, worker_key(worker), row)?,
        None => stage.delete(Table::Coordination, worker_key(worker)),
    }
    match (before, after) {
        (None, Some(_)) => count(stage, |counts| counts.workers += 1),
        (Some(_), None) => count(stage, |counts| counts.workers -= 1),
        _ => Ok(()),
    }
}

/// The worker that a lease registers; none if it registers none.
pub fn worker_of_lease(view: &dyn View, lease: LeaseId) -> Result<Option<String>, StorageError> {
    let row: Option<WorkerOfLease> = rows::read(view, Table::Coordination, &lease_key(lease))?;
    Ok(row.map(|row| row.worker))
}

/// Notes which worker a lease registers.
pub fn set_worker_of_lease(stage: &mut dyn Stage, lease: LeaseId, worker: &str) -> Result<(), StorageError> {
    let worker = worker.to_owned();
    rows::write(stage, Table::Coordination, lease_key(lease), &WorkerOfLease { worker })
}

/// The lease registers no worker any more.
pub fn remove_worker_of_lease(stage: &mut dyn Stage, lease: LeaseId) {
    stage.delete(Table::Coordination, lease_key(lease));
}

/// The task; none if there is no such task.
pub fn find_task(view: &dyn View, task: &str) -> Result<Option<TaskRow>, StorageError> {
    rows::read(view, Table::Coordination, &task_key(task))
}

/// Changes what is stored of a task from `before` to `after`, and its place among the tasks of its worker, or among those
/// that wait, with it; notes the revision as that of the last change. Workers are not touched, and neither is its data.
pub fn set_task_rows(
    stage: &mut dyn Stage,
    revision: Revision,
    task: &str,
    before: Option<&TaskRow>,
    after: Option<&TaskRow>,
) -> Result<(), StorageError> {
    rows::write(
        stage,
        Table::Coordination,
        Key::of(CHANGED).done(),
        &LastChange { revision },
    )?;
    let (old, new) = (
        before.map(|row| place_key(task, row)),
        after.map(|row| place_key(task, row)),
    );
    if old != new {
        if let Some(old) = old {
            stage.delete(Table::Coordination, old);
        }
        if let Some(new) = new {
            stage.put(Table::Coordination, new, Vec::new());
        }
    }
    match after {
        Some(row) => rows::write(stage, Table::Coordination, task_key(task), row)?,
        None => stage.delete(Table::Coordination, task_key(task)),
    }
    match (before, after) {
        (None, Some(_)) => count(stage, |counts| counts.tasks += 1),
        (Some(_), None) => count(stage, |counts| counts.tasks -= 1),
        _ => Ok(()),
    }
}

/// The data of a task.
pub fn read_data(view: &dyn View, task: &str, row: &TaskRow) -> Result<Vec<u8>, StorageError> {
    if row.data_bytes == 0 {
        return Ok(Vec::new());
    }
    match rows::read::<TaskData>(view, Table::Items, &data_key(task))? {
        Some(found) => Ok(found.data),
        None => Err(corrupt(
            "reading the data of a task",
            &format!("task {task:?} has none"),
        )),
    }
}

/// Sets the data of a task that had `before_bytes` of it.
pub fn set_data(stage: &mut dyn Stage, task: &str, before_bytes: u32, data: Vec<u8>) -> Result<(), StorageError> {
    if !data.is_empty() {
        return rows::write(stage, Table::Items, data_key(task), &TaskData { data });
    }
    if before_bytes > 0 {
        stage.delete(Table::Items, data_key(task));
    }
    Ok(())
}

/// The revision at which an assignment last changed; 0: there never was a task. Tasks from before this was noted have
/// changed at the first revision.
pub fn changed(view: &dyn View) -> Result<Revision, StorageError> {
    match rows::read::<LastChange>(view, Table::Coordination, &Key::of(CHANGED).done())? {
        Some(last) => Ok(last.revision),
        None => Ok(Revision(u64::from(counts(view)?.tasks > 0))),
    }
}

/// How much there is.
pub fn counts(view: &dyn View) -> Result<Counts, StorageError> {
    Ok(rows::read(view, Table::Coordination, &Key::of(COUNTS).done())?.unwrap_or_default())
}

fn count(stage: &mut dyn Stage, change: impl FnOnce(&mut Counts)) -> Result<(), StorageError> {
    let mut found = counts(stage)?;
    change(&mut found);
    rows::write(stage, Table::Coordination, Key::of(COUNTS).done(), &found)
}

/// Visits workers after `after`, by name.
pub fn scan_workers(
    view: &dyn View,
    after: Option<&str>,
    visit: &mut dyn FnMut(String, WorkerRow) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let after = after.map(worker_key);
    scan(view, &Key::of(WORKER_ROW).done(), after.as_deref(), &mut |key, row| {
        let worker = Parts::of(WORKER_ROW, key).and_then(|mut parts| parts.text());
        visit(decoded(worker)?, rows::value(row)?)
    })
}

/// Visits tasks after `after`, by name.
pub fn scan_tasks(
    view: &dyn View,
    after: Option<&Cursor>,
    visit: &mut dyn FnMut(String) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let after = after.map(|after| task_key(&after.task));
    scan(view, &Key::of(TASK_ROW).done(), after.as_deref(), &mut |key, _| {
        visit(decoded(Parts::of(TASK_ROW, key).and_then(|mut parts| parts.text()))?)
    })
}

/// Visits the tasks of a worker after `after`, by name.
pub fn scan_tasks_of(
    view: &dyn View,
    worker: &str,
    after: Option<&Cursor>,
    visit: &mut dyn FnMut(String) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let prefix = Key::of(TASK_OF_WORKER).text(worker);
    let after = after.map(|after| prefix.clone().text(&after.task).done());
    scan(view, &prefix.done(), after.as_deref(), &mut |key, _| {
        let mut parts = Parts::of(TASK_OF_WORKER, key);
        let task = parts.as_mut().and_then(|parts| parts.text().and_then(|_| parts.text()));
        visit(decoded(task)?)
    })
}

/// Visits the workers that have tasks, each with every task it has, by the names of both.
pub fn scan_assigned(
    view: &dyn View,
    visit: &mut dyn FnMut(String, String) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    scan(view, &Key::of(TASK_OF_WORKER).done(), None, &mut |key, _| {
        let names = Parts::of(TASK_OF_WORKER, key).and_then(|mut parts| {
            let worker = parts.text()?;
            Some((worker, parts.text()?))
        });
        let (worker, task) = decoded(names)?;
        visit(worker, task)
    })
}

/// The tasks of a worker: at most as many as its capacity.
pub fn tasks_of(view: &dyn View, worker: &str) -> Result<Vec<String>, StorageError> {
    let mut tasks = Vec::new();
    scan_tasks_of(view, worker, None, &mut |task| {
        tasks.push(task);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(tasks)
}

/// Visits the tasks that wait after `after`, those that wait longest first.
pub fn scan_waiting(
    view: &dyn View,
    after: Option<&Cursor>,
    visit: &mut dyn FnMut(Cursor) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let after = after.map(|after| waiting_key(after.generation, &after.task));
    scan(view, &Key::of(WAITING).done(), after.as_deref(), &mut |key, _| {
        let cursor = Parts::of(WAITING, key).and_then(|mut parts| {
            let generation = parts.number()?;
            let task = parts.text()?;
            Some(Cursor { generation, task })
        });
        visit(decoded(cursor)?)
    })
}

/// Whether a scan goes on.
type Step = Result<ControlFlow<()>, StorageError>;

/// Visits the rows of a prefix, those after a key if there is one; ends at the first error.
pub fn scan(
    view: &dyn View,
    prefix: &[u8],
    after: Option<&[u8]>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Step,
) -> Result<(), StorageError> {
    let end = rows::successor(prefix);
    let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
    let mut failed = None;
    view.scan(
        Table::Coordination,
        from,
        rows::up_to(end.as_ref()),
        false,
        &mut |key, row| {
            visit(key, row).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// A part of a stored key, which must be there.
pub fn decoded<T>(part: Option<T>) -> Result<T, StorageError> {
    part.ok_or_else(|| corrupt("reading workers and tasks", &"a key does not decode"))
}

fn worker_key(worker: &str) -> Vec<u8> {
    Key::of(WORKER_ROW).text(worker).done()
}

fn lease_key(lease: LeaseId) -> Vec<u8> {
    Key::of(WORKER_OF_LEASE).number(lease.0).done()
}

fn task_key(task: &str) -> Vec<u8> {
    Key::of(TASK_ROW).text(task).done()
}

fn data_key(task: &str) -> Vec<u8> {
    Key::of(DATA).text(task).done()
}

fn waiting_key(generation: u64, task: &str) -> Vec<u8> {
    Key::of(WAITING).number(generation).text(task).done()
}

/// Among the tasks of its worker, or among those that wait.
fn place_key(task: &str, row: &TaskRow) -> Vec<u8> {
    match &row.worker {
        Some(worker) => Key::of(TASK_OF_WORKER).text(worker).text(task).done(),
        None => waiting_key(row.generation, task),
    }
}
