//! Tells those who watch what happened to workers and to assignments.

use crate::mvcc::Edit;
use crate::types::{Event, TaskEvent, TaskWait, WorkerEvent};

/// Something happened to the worker.
pub fn tell_worker(edit: &mut Edit<'_>, worker: &str, what: WorkerEvent) {
    edit.events.push(Event::Worker {
        worker: worker.to_owned(),
        what,
    });
}

/// Something happened to the task.
pub fn tell_task(edit: &mut Edit<'_>, task: &str, what: TaskEvent) {
    edit.events.push(Event::Task {
        task: task.to_owned(),
        what,
    });
}

/// The task has this worker from now on; `from` had it before.
pub fn tell_assigned(edit: &mut Edit<'_>, task: &str, from: Option<String>, worker: &str, generation: u64) {
    let worker = worker.to_owned();
    let what = TaskEvent::Assigned {
        worker,
        generation,
        from,
    };
    tell_task(edit, task, what);
}

/// The task waits from now on; `from` had it before.
pub fn tell_waiting(edit: &mut Edit<'_>, task: &str, from: Option<String>, generation: u64, why: TaskWait) {
    tell_task(edit, task, TaskEvent::Waiting { generation, from, why });
}
