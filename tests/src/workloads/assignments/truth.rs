//! Who was registered and had which task, from the truth.

use std::collections::BTreeMap;

use quorate_proto::v1;
use quorate_proto::v1::TaskWaitReason;
use quorate_proto::v1::task_event::What as TaskWhat;
use quorate_proto::v1::watch_event::Event as Wire;
use quorate_proto::v1::worker_event::What as WorkerWhat;

use super::record::Assignment;
use crate::watch_check::{Event, Truth};

/// A worker, as it is at some revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// What it is registered under; none: it is offline or never was there.
    pub lease: Option<u64>,
    /// Tasks at a time.
    pub capacity: u32,
    /// It takes nothing new.
    pub draining: bool,
    /// What it has, with generations.
    pub tasks: BTreeMap<String, u64>,
}

/// A task that somebody had, from one revision to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Had {
    /// Since.
    pub from: u64,
    /// No more since then; none: to the end.
    pub until: Option<u64>,
}

/// Everything about workers and tasks.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Every assignment that there was.
    pub had: BTreeMap<Assignment, Had>,
    /// When each lease had a worker registered, and when that went offline.
    pub registrations: Vec<(String, u64, u64, Option<u64>)>,
    /// By property, what is wrong.
    pub wrong: Vec<(&'static str, String)>,
    workers: BTreeMap<String, Worker>,
    tasks: BTreeMap<String, Task>,
    /// The greatest generation of each task, also of those that are gone.
    generations: BTreeMap<String, u64>,
}

/// A task that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Task {
    /// Who has it; none: it waits.
    worker: Option<String>,
    generation: u64,
}

impl Fleet {
    /// As the truth tells it, of workers and tasks whose names begin with `prefix`.
    pub fn of(truth: &Truth, prefix: &str) -> Fleet {
        let mut fleet = Fleet::default();
        for (revision, events) in truth.between(0, truth.last()) {
            let others = events.iter().filter_map(|event| match event {
                Event::Other(event) => event.what.as_ref(),
                Event::Key(_) => None,
            });
            let mut touched = false;
            for event in others {
                match event {
                    Wire::Worker(event) if event.worker.starts_with(prefix) => {
                        touched = true;
                        fleet.worker(revision, event);
                    }
                    Wire::Task(event) if event.task.starts_with(prefix) => {
                        touched = true;
                        fleet.task(revision, event);
                    }
                    _ => {}
                }
            }
            // A revision is never seen half done.
            if touched {
                fleet.look(revision);
            }
        }
        fleet
    }

    fn worker(&mut self, revision: u64, event: &v1::WorkerEvent) {
        let worker = self.workers.entry(event.worker.clone()).or_default();
        match &event.what {
            Some(WorkerWhat::Registered(registered)) => {
                if worker.lease.is_some() || !worker.tasks.is_empty() {
                    let what = format!(
                        "{} is registered at revision {revision}, and was {worker:?}",
                        event.worker
                    );
                    self.wrong.push(("alone", what));
                }
                *worker = Worker {
                    lease: Some(registered.lease),
                    capacity: registered.capacity,
                    ..Worker::default()
                };
                let registration = (event.worker.clone(), registered.lease, revision, None);
                self.registrations.push(registration);
            }
            Some(WorkerWhat::Updated(updated)) => worker.capacity = updated.capacity,
            Some(WorkerWhat::Draining(_)) => worker.draining = true,
            Some(WorkerWhat::Resumed(_)) => worker.draining = false,
            Some(WorkerWhat::Offline(_) | WorkerWhat::Deregistered(_)) => {
                let lease = worker.lease.take();
                worker.draining = false;
                let mut registrations = self.registrations.iter_mut();
                let ended = registrations
                    .rfind(|(name, of, _, until)| *name == event.worker && Some(*of) == lease && until.is_none());
                match ended {
                    Some((_, _, _, until)) => *until = Some(revision),
                    None => self.wrong.push((
                        "alone",
                        format!("{} goes at revision {revision} and was not there", event.worker),
                    )),
                }
            }
            None => {}
        }
    }

    fn task(&mut self, revision: u64, event: &v1::TaskEvent) {
        let task = event.task.as_str();
        let before = self.tasks.get(task).cloned();
        let had_by = before.as_ref().and_then(|before| before.worker.clone());
        match &event.what {
            Some(TaskWhat::Assigned(assigned)) => {
                self.from(revision, task, &assigned.from, had_by.as_ref());
                self.take(revision, task, had_by);
                self.grown(revision, task, assigned.generation);
                self.give(revision, task, &assigned.worker, assigned.generation);
            }
            Some(TaskWhat::Waiting(waiting)) => {
                self.from(revision, task, &waiting.from, had_by.as_ref());
                if waiting.why() == TaskWaitReason::WorkerGone && waiting.from.is_empty() {
                    let what = format!("{task} waits since revision {revision} because nobody is gone");
                    self.wrong.push(("alone", what));
                }
                self.take(revision, task, had_by);
                self.grown(revision, task, waiting.generation);
                let waits = Task {
                    worker: None,
                    generation: waiting.generation,
                };
                self.tasks.insert(task.to_owned(), waits);
            }
            Some(TaskWhat::Completed(completed)) => {
                let by = Task {
                    worker: Some(completed.worker.clone()),
                    generation: completed.generation,
                };
                if before != Some(by) {
                    let what =
                        format!("{task} is completed at revision {revision} by {completed:?}, and was {before:?}");
                    self.wrong.push(("fenced", what));
                }
                self.take(revision, task, had_by);
                self.tasks.remove(task);
            }
            Some(TaskWhat::Cancelled(cancelled)) => {
                self.from(revision, task, &cancelled.from, had_by.as_ref());
                self.take(revision, task, had_by);
                self.tasks.remove(task);
            }
            None => {}
        }
    }

    /// Who had it before is who the event says.
    fn from(&mut self, revision: u64, task: &str, said: &str, had_by: Option<&String>) {
        if had_by.map_or("", String::as_str) != said {
            let what = format!("revision {revision} takes {task} from {said:?}, and {had_by:?} had it");
            self.wrong.push(("alone", what));
        }
    }

    fn take(&mut self, revision: u64, task: &str, had_by: Option<String>) {
        let Some(worker) = had_by else { return };
        let generation = self
            .workers
            .get_mut(&worker)
            .and_then(|worker| worker.tasks.remove(task));
        let assignment = Assignment {
            task: task.to_owned(),
            worker,
            generation: generation.unwrap_or_default(),
        };
        if let Some(had) = self.had.get_mut(&assignment) {
            had.until = Some(revision);
        }
    }

    fn give(&mut self, revision: u64, task: &str, worker: &str, generation: u64) {
        let given = Task {
            worker: Some(worker.to_owned()),
            generation,
        };
        self.tasks.insert(task.to_owned(), given);
        let has = self.workers.entry(worker.to_owned()).or_default();
        has.tasks.insert(task.to_owned(), generation);
        if has.draining {
            let what = format!("revision {revision} gives {task} to {worker}, which drains");
            self.wrong.push(("capacity", what));
        }
        let assignment = Assignment {
            task: task.to_owned(),
            worker: worker.to_owned(),
            generation,
        };
        let had = Had {
            from: revision,
            until: None,
        };
        self.had.insert(assignment, had);
    }

    fn grown(&mut self, revision: u64, task: &str, generation: u64) {
        let before = self.generations.insert(task.to_owned(), generation);
        if before.is_some_and(|before| before >= generation) {
            let what = format!("{task} is at generation {generation} at revision {revision}, and was at {before:?}");
            self.wrong.push(("generations", what));
        }
    }

    /// What holds between revisions: nobody has more than it can do, and nobody who is not there has anything.
    fn look(&mut self, revision: u64) {
        for (name, worker) in &self.workers {
            if worker.tasks.len() > worker.capacity as usize {
                self.wrong.push((
                    "capacity",
                    format!("at revision {revision}, {name} has too much: {worker:?}"),
                ));
            }
            if worker.lease.is_none() && !worker.tasks.is_empty() {
                self.wrong.push((
                    "whole",
                    format!("at revision {revision}, {name} is offline and has tasks: {worker:?}"),
                ));
            }
        }
    }
}
