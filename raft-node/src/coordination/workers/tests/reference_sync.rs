//! What a sync of the assignments is, said as simply as can be.

use std::collections::BTreeMap;

use super::reference::{Answer, Model, Task};
use crate::coordination::workers::{SyncAssignments, Synced, WorkerReply};
use crate::types::{Revision, WorkerRefusal};

impl Model {
    /// The last change is at this revision if a task is another than before.
    pub fn note_changes(&mut self, before: &BTreeMap<String, Task>) {
        if self.tasks != *before {
            self.tasks_changed = self.revision;
        }
    }

    pub fn sync(&mut self, wanted: &SyncAssignments) -> Answer {
        let found = Revision(self.tasks_changed);
        let expected = wanted.expected;
        if found > expected && (expected.0 > 0 || !self.tasks.is_empty()) {
            return Err(WorkerRefusal::AssignmentsChanged { expected, found });
        }
        for (name, tasks) in &wanted.workers {
            let worker = name.clone();
            let tasks = u32::try_from(tasks.len()).unwrap();
            match self.workers.get(name) {
                None => return Err(WorkerRefusal::UnknownWorker { worker }),
                Some(found) if !found.live && tasks > 0 => return Err(WorkerRefusal::Offline { worker }),
                Some(found) if tasks > found.capacity => {
                    let capacity = found.capacity;
                    return Err(WorkerRefusal::NoCapacity {
                        worker,
                        tasks,
                        capacity,
                    });
                }
                Some(_) => {}
            }
        }
        let mut synced = Synced::default();
        for (name, task) in &mut self.tasks {
            let named = wanted.workers.values().any(|tasks| tasks.contains(name));
            let holder = task.worker.as_ref();
            let of_them = holder.is_some_and(|worker| !wanted.only_workers || wanted.workers.contains_key(worker));
            if of_them && !named {
                (task.worker, task.generation) = (None, self.generation);
                synced.unassigned += 1;
            }
        }
        for (worker, tasks) in &wanted.workers {
            for name in tasks {
                self.bring(worker, name, &mut synced)?;
            }
        }
        let any = synced.assigned + synced.moved + synced.unassigned > 0;
        self.changed |= any;
        Ok(WorkerReply::Synced {
            synced,
            generation: if any { self.generation } else { 0 },
            changed: Revision(if any { self.revision } else { self.tasks_changed }),
        })
    }

    fn bring(&mut self, worker: &str, name: &str, synced: &mut Synced) -> Result<(), WorkerRefusal> {
        let mut task = self.tasks.get(name).cloned().unwrap_or_default();
        if task.worker.as_deref() == Some(worker) {
            synced.kept += 1;
            return Ok(());
        }
        match self.why_not(worker, &task.labels) {
            // Others are still to be taken from it.
            None | Some(WorkerRefusal::NoCapacity { .. }) => {}
            Some(refusal) => return Err(refusal),
        }
        if task.worker.is_some() {
            synced.moved += 1;
        } else {
            synced.assigned += 1;
        }
        (task.worker, task.generation) = (Some(worker.to_owned()), self.generation);
        self.tasks.insert(name.to_owned(), task);
        Ok(())
    }
}
