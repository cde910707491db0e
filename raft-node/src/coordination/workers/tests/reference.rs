//! What workers and tasks are, said as simply as can be: maps, and loops over all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::coordination::workers::{Cursor, Destination, Labels, Placed, WorkerOperation, WorkerReply};
use crate::types::{LeaseId, Revision, WorkerRefusal};

/// A worker that is not forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    pub lease: u64,
    pub live: bool,
    pub draining: bool,
    pub labels: Labels,
    pub capacity: u32,
    pub registered: u64,
}

/// A task that is not ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    pub worker: Option<String>,
    pub labels: Labels,
    pub data: Vec<u8>,
    pub generation: u64,
}

/// Everything there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub leases: BTreeSet<u64>,
    pub workers: BTreeMap<String, Worker>,
    pub tasks: BTreeMap<String, Task>,
    pub revision: u64,
    /// Of the running operation.
    pub generation: u64,
    /// Revision at which a task was last another than before.
    pub tasks_changed: u64,
    /// The running transaction has changed something.
    pub changed: bool,
}

pub type Answer = Result<WorkerReply, WorkerRefusal>;

impl Model {
    pub fn assigned(&self, worker: &str) -> u32 {
        let own = self
            .tasks
            .values()
            .filter(|task| task.worker.as_deref() == Some(worker));
        u32::try_from(own.count()).unwrap()
    }

    /// The lease ends; says what went with it.
    pub fn end_lease(&mut self, lease: u64) -> u64 {
        self.leases.remove(&lease);
        self.changed = true;
        let of_lease = |worker: &Worker| worker.live && worker.lease == lease;
        let Some((name, worker)) = self.workers.iter_mut().find(|(_, worker)| of_lease(worker)) else {
            return 0;
        };
        worker.live = false;
        worker.draining = false;
        let name = name.clone();
        self.all_wait(&name);
        1
    }

    fn all_wait(&mut self, worker: &str) {
        for task in self.tasks.values_mut() {
            if task.worker.as_deref() == Some(worker) {
                task.worker = None;
                task.generation = self.generation;
            }
        }
    }

    fn can_take(&self, worker: &str, labels: &Labels) -> bool {
        self.why_not(worker, labels).is_none()
    }

    pub fn why_not(&self, name: &str, labels: &Labels) -> Option<WorkerRefusal> {
        let worker = name.to_owned();
        let Some(found) = self.workers.get(name) else {
            return Some(WorkerRefusal::UnknownWorker { worker });
        };
        let tasks = self.assigned(name) + 1;
        if !found.live {
            Some(WorkerRefusal::Offline { worker })
        } else if found.draining {
            Some(WorkerRefusal::Draining { worker })
        } else if labels
            .iter()
            .any(|(label, value)| found.labels.get(label) != Some(value))
        {
            let labels = labels.clone();
            Some(WorkerRefusal::Unsuitable { worker, labels })
        } else if tasks > found.capacity {
            let capacity = found.capacity;
            Some(WorkerRefusal::NoCapacity {
                worker,
                tasks,
                capacity,
            })
        } else {
            None
        }
    }

    fn least_loaded(&self, labels: &Labels) -> Option<String> {
        let mut best: Option<(&String, u64, u64)> = None;
        for (name, worker) in self.workers.iter().filter(|(name, _)| self.can_take(name, labels)) {
            let (assigned, capacity) = (u64::from(self.assigned(name)), u64::from(worker.capacity));
            if best.is_none_or(|(_, of_best, most)| assigned * most < of_best * capacity) {
                best = Some((name, assigned, capacity));
            }
        }
        best.map(|(name, _, _)| name.clone())
    }

    fn put(&mut self, name: &str, task: Task) -> WorkerReply {
        let generation = self.generation;
        let worker = task.worker.clone();
        self.tasks.insert(name.to_owned(), Task { generation, ..task });
        self.changed = true;
        WorkerReply::Assigned { worker, generation }
    }

    fn known(&self, name: &str) -> Result<Task, WorkerRefusal> {
        let unknown = || WorkerRefusal::UnknownTask { task: name.to_owned() };
        self.tasks.get(name).cloned().ok_or_else(unknown)
    }

    fn at(&self, name: &str, expected: u64) -> Result<(), WorkerRefusal> {
        let task = name.to_owned();
        match self.tasks.get(name).map_or(0, |task| task.generation) {
            found if found == expected => Ok(()),
            found => Err(WorkerRefusal::Changed { task, expected, found }),
        }
    }

    fn stands(&self, name: &str, worker: &str, generation: u64) -> bool {
        let task = self.tasks.get(name);
        task.is_some_and(|task| task.worker.as_deref() == Some(worker) && task.generation == generation)
    }

    fn of(&mut self, name: &str, lease: LeaseId) -> Result<&mut Worker, WorkerRefusal> {
        let worker = name.to_owned();
        match self.workers.get_mut(name) {
            None => Err(WorkerRefusal::UnknownWorker { worker }),
            Some(found) if found.live && found.lease == lease.0 => Ok(found),
            Some(_) => Err(WorkerRefusal::NotRegistered { worker, lease }),
        }
    }

    fn say(&mut self, name: &str, capacity: u32, labels: Labels) -> Result<(), WorkerRefusal> {
        let tasks = self.assigned(name);
        let worker = self.workers.get_mut(name).unwrap();
        if (worker.capacity, &worker.labels) == (capacity, &labels) {
            return Ok(());
        }
        if tasks > capacity {
            let worker = name.to_owned();
            return Err(WorkerRefusal::NoCapacity {
                worker,
                tasks,
                capacity,
            });
        }
        (worker.capacity, worker.labels) = (capacity, labels);
        self.changed = true;
        Ok(())
    }

    fn register(&mut self, name: &str, lease: LeaseId, labels: Labels, capacity: u32) -> Result<Answer, LeaseId> {
        if let Some(found) = self.workers.get(name).filter(|found| found.live) {
            let registered = Revision(found.registered);
            if found.lease != lease.0 {
                let (worker, lease) = (name.to_owned(), LeaseId(found.lease));
                return Ok(Err(WorkerRefusal::Exists { worker, lease }));
            }
            let said = self.say(name, capacity, labels);
            return Ok(said.map(|()| WorkerReply::Registered { registered }));
        }
        let mut of_lease = self
            .workers
            .iter()
            .filter(|(_, other)| other.live && other.lease == lease.0);
        if let Some((other, _)) = of_lease.next() {
            let worker = other.clone();
            return Ok(Err(WorkerRefusal::LeaseInUse { lease, worker }));
        }
        if !self.leases.contains(&lease.0) {
            return Err(lease);
        }
        let worker = Worker {
            lease: lease.0,
            live: true,
            draining: false,
            labels,
            capacity,
            registered: self.revision,
        };
        self.workers.insert(name.to_owned(), worker);
        self.changed = true;
        let registered = Revision(self.revision);
        Ok(Ok(WorkerReply::Registered { registered }))
    }

    fn assign(&mut self, name: &str, to: &Destination, labels: Labels, data: Vec<u8>, expected: Option<u64>) -> Answer {
        let found = self.tasks.get(name).cloned();
        let same = found
            .as_ref()
            .is_some_and(|task| task.labels == labels && task.data == data);
        let holder = found.as_ref().and_then(|task| task.worker.clone());
        match (&holder, expected) {
            (_, Some(expected)) => self.at(name, expected)?,
            (None, None) => {}
            (Some(holder), None) => {
                let generation = found.as_ref().unwrap().generation;
                let wanted =
                    matches!(to, Destination::LeastLoaded { .. }) || *to == Destination::Worker(holder.clone());
                let worker = holder.clone();
                if same && wanted {
                    let worker = Some(worker);
                    return Ok(WorkerReply::Assigned { worker, generation });
                }
                let task = name.to_owned();
                return Err(WorkerRefusal::Assigned {
                    task,
                    worker,
                    generation,
                });
            }
        }
        // While a new place is sought it has none.
        if let Some(task) = self.tasks.get_mut(name) {
            task.worker = None;
        }
        let worker = match to {
            Destination::Worker(worker) => match self.why_not(worker, &labels) {
                Some(refusal) => return Err(refusal),
                None => Some(worker.clone()),
            },
            Destination::LeastLoaded { .. } => self.least_loaded(&labels),
        };
        if worker.is_none() && *to == (Destination::LeastLoaded { or_wait: false }) {
            let task = name.to_owned();
            return Err(WorkerRefusal::NoWorker { task, labels });
        }
        if let (None, None, true, Some(task)) = (&worker, &holder, same, &found) {
            let generation = task.generation;
            return Ok(WorkerReply::Assigned { worker, generation });
        }
        let generation = 0;
        Ok(self.put(
            name,
            Task {
                worker,
                labels,
                data,
                generation,
            },
        ))
    }

    fn assign_pending(&mut self, count: u32, after: Option<Cursor>) -> WorkerReply {
        let mut waiting: Vec<(u64, String)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.worker.is_none())
            .map(|(name, task)| (task.generation, name.clone()))
            .collect();
        waiting.sort();
        let after = after.map(|after| (after.generation, after.task));
        let mut placed = Vec::new();
        for at in waiting
            .into_iter()
            .filter(|at| after.as_ref().is_none_or(|after| at > after))
        {
            let task = self.tasks.get(&at.1).unwrap().clone();
            let Some(worker) = self.least_loaded(&task.labels) else {
                continue;
            };
            let (generation, name) = (self.generation, at.1.clone());
            let now = Some(worker.clone());
            self.put(&name, Task { worker: now, ..task });
            placed.push(Placed {
                task: name,
                worker,
                generation,
            });
            if placed.len() == count as usize {
                let next = Some(Cursor {
                    generation: at.0,
                    task: at.1,
                });
                return WorkerReply::PendingAssigned { placed, next };
            }
        }
        WorkerReply::PendingAssigned { placed, next: None }
    }

    fn drain(&mut self, name: &str, draining: bool) -> Answer {
        let assigned = self.assigned(name);
        let worker = name.to_owned();
        match self.workers.get_mut(name) {
            None => return Err(WorkerRefusal::UnknownWorker { worker }),
            Some(found) if !found.live => return Err(WorkerRefusal::Offline { worker }),
            Some(found) => {
                self.changed |= found.draining != draining;
                found.draining = draining;
            }
        }
        Ok(WorkerReply::Drained { assigned })
    }

    fn deregister(&mut self, name: &str, lease: Option<LeaseId>) -> Answer {
        let pending = self.assigned(name);
        match lease {
            Some(lease) => {
                self.of(name, lease)?;
            }
            None => match self.workers.get(name) {
                None => {
                    return Err(WorkerRefusal::UnknownWorker {
                        worker: name.to_owned(),
                    });
                }
                Some(found) if found.live => {
                    let (worker, lease) = (name.to_owned(), LeaseId(found.lease));
                    return Err(WorkerRefusal::Exists { worker, lease });
                }
                Some(_) => {}
            },
        }
        self.workers.remove(name);
        self.all_wait(name);
        self.changed = true;
        Ok(WorkerReply::Deregistered { pending })
    }

    /// Does an operation; the outer error is a lease that does not live.
    pub fn operate(&mut self, operation: WorkerOperation) -> Result<Answer, LeaseId> {
        use WorkerOperation as O;
        Ok(match operation {
            O::Register {
                worker,
                lease,
                labels,
                capacity,
            } => return self.register(&worker, lease, labels, capacity),
            O::Update {
                worker,
                lease,
                capacity,
                labels,
            } => self
                .of(&worker, lease)
                .map(|found| {
                    (
                        capacity.unwrap_or(found.capacity),
                        labels.unwrap_or(found.labels.clone()),
                    )
                })
                .and_then(|(capacity, labels)| self.say(&worker, capacity, labels))
                .map(|()| WorkerReply::Updated),
            O::Drain { worker, draining } => self.drain(&worker, draining),
            O::Deregister { worker, lease } => self.deregister(&worker, lease),
            O::Assign {
                task,
                to,
                labels,
                data,
                expected_generation,
            } => self.assign(&task, &to, labels, data, expected_generation),
            O::Unassign { task, generation } => self.unassign(&task, generation),
            O::Complete {
                task,
                worker,
                generation,
            } => self.end(&task, |model| {
                let stale = || WorkerRefusal::Stale {
                    task: task.clone(),
                    worker: worker.clone(),
                    generation,
                };
                model.stands(&task, &worker, generation).then_some(()).ok_or_else(stale)
            }),
            O::Cancel { task, generation } => self.end(&task, |model| {
                generation.map_or(Ok(()), |generation| model.at(&task, generation))
            }),
            O::Fence {
                task,
                worker,
                generation,
            } => match self.stands(&task, &worker, generation) {
                true => Ok(WorkerReply::Stands),
                false => Err(WorkerRefusal::Stale {
                    task,
                    worker,
                    generation,
                }),
            },
            O::Move {
                task,
                from,
                generation,
                to,
            } => self.move_task(task, from, generation, &to),
            O::AssignPending { count, after } => Ok(self.assign_pending(count, after)),
            O::Sync(wanted) => self.sync(&wanted),
        })
    }

    fn unassign(&mut self, name: &str, expected: Option<u64>) -> Answer {
        let task = self.known(name)?;
        if let Some(expected) = expected {
            self.at(name, expected)?;
        }
        let mut generation = task.generation;
        if task.worker.is_some() {
            generation = self.generation;
            self.put(name, Task { worker: None, ..task });
        }
        Ok(WorkerReply::Unassigned { generation })
    }

    fn end(&mut self, name: &str, check: impl FnOnce(&Model) -> Result<(), WorkerRefusal>) -> Answer {
        self.known(name)?;
        check(self)?;
        self.tasks.remove(name);
        self.changed = true;
        Ok(WorkerReply::Ended)
    }

    fn move_task(&mut self, task: String, from: String, generation: u64, to: &str) -> Answer {
        if !self.stands(&task, &from, generation) {
            return Err(WorkerRefusal::NotThere { task, from, generation });
        }
        let moved = self.known(&task)?;
        // While it is on its way nobody has it.
        if let Some(task) = self.tasks.get_mut(&task) {
            task.worker = None;
        }
        match self.why_not(to, &moved.labels) {
            Some(refusal) => Err(refusal),
            None => Ok(self.put(
                &task,
                Task {
                    worker: Some(to.to_owned()),
                    ..moved
                },
            )),
        }
    }
}
