//! What a worker is assigned, as it changes.
//!
//! The leader is asked for the worker's tasks and answers once they have changed after the revision that was seen last.
//! Pages of one answer may be of different revisions; the revision that is remembered is that of the first, so whatever
//! happened meanwhile is seen the next time. The data of a task is read once, when the task is gained.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use super::list::{of_worker, page};
use super::record::{Assignment, WorkerRecord, WorkerState};
use super::register::Worker;
use crate::error::Result;

/// How long the leader is asked to wait for a change. A leader that was cut off from the others may not know of one.
const WAIT: Duration = Duration::from_secs(5);
/// Tasks whose data is read at a time.
const READ_AT_ONCE: usize = 32;

/// The assignments of a worker, as they change; see [`Worker::assignments`].
#[derive(Debug)]
pub struct Assignments {
    worker: Worker,
    known: Known,
}

/// What the caller has been told.
#[derive(Clone, Debug, Default)]
struct Known {
    /// By task, without the data.
    held: BTreeMap<String, Assignment>,
    draining: bool,
    revision: u64,
}

/// What has changed in the assignments of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignmentChanges {
    /// Tasks that it did not have, with their data. A task that was assigned to it anew is also among those that ended.
    pub gained: Vec<Assignment>,
    /// Assignments that are over, completed by itself or taken from it, without their data.
    pub ended: Vec<Assignment>,
    /// It takes nothing new.
    pub draining: bool,
}

/// What the store says of a worker and its tasks.
struct Seen {
    worker: WorkerRecord,
    tasks: Vec<Assignment>,
}

impl Assignments {
    pub(super) fn new(worker: Worker) -> Self {
        let known = Known::default();
        Self { worker, known }
    }

    /// Waits for a change; the first one is everything that the worker has, once it has anything. None when the
    /// registration is over, because the session is or the worker was deregistered: then every assignment is over, too.
    ///
    /// What is dropped before it is done loses nothing.
    ///
    /// # Errors
    ///
    /// What any read may return. The registration may go on: ask again.
    pub async fn next(&mut self) -> Result<Option<AssignmentChanges>> {
        let session = self.worker.session().clone();
        if session.loss().is_some() {
            return Ok(None);
        }
        tokio::select! {
            biased;
            _ = session.lost() => Ok(None),
            changes = self.change() => changes,
        }
    }

    /// The same as a stream. It goes on after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<AssignmentChanges>> + Send {
        stream::unfold(self, |mut assignments| async move {
            let changes = assignments.next().await.transpose()?;
            Some((changes, assignments))
        })
    }

    /// Those that the worker had at the last change, by task, without their data.
    pub fn held(&self) -> impl Iterator<Item = &Assignment> {
        self.known.held.values()
    }

    async fn change(&mut self) -> Result<Option<AssignmentChanges>> {
        loop {
            let Some(seen) = self.look().await? else {
                return Ok(None);
            };
            let revision = seen.worker.changed_revision;
            let draining = seen.worker.state == WorkerState::Draining;
            let gained = self.read_gained(&seen.tasks).await?;
            let changes = self.known.learn(revision, draining, seen.tasks, gained);
            if let Some(changes) = changes {
                return Ok(Some(changes));
            }
        }
    }

    /// The worker's tasks, once there is something new; none if the registration is over.
    async fn look(&self) -> Result<Option<Seen>> {
        let (client, name) = (&self.worker.client, self.worker.name());
        let mut answer = page(client, of_worker(name, self.known.revision, Bytes::new()), WAIT).await?;
        let Some(found) = answer.workers.pop() else {
            return Ok(None);
        };
        let worker = WorkerRecord::from_wire(found)?;
        if worker.state == WorkerState::Offline || worker.registered_revision != self.worker.registered_revision() {
            return Ok(None);
        }
        let mut tasks: Vec<Assignment> = answer.assignments.into_iter().map(Assignment::from).collect();
        while !answer.next.is_empty() {
            answer = page(client, of_worker(name, 0, answer.next), Duration::ZERO).await?;
            tasks.extend(answer.assignments.into_iter().map(Assignment::from));
        }
        Ok(Some(Seen { worker, tasks }))
    }

    /// The tasks that are new to the caller, with their data. One that changes meanwhile is left for the next time.
    async fn read_gained(&self, tasks: &[Assignment]) -> Result<Vec<Assignment>> {
        let mut new = tasks.to_vec();
        new.retain(|task| !self.known.holds(task));
        let read = stream::iter(new).map(|task| self.with_data(task));
        let mut read = std::pin::pin!(read.buffered(READ_AT_ONCE));
        let mut gained = Vec::new();
        while let Some(task) = read.next().await {
            gained.extend(task?);
        }
        Ok(gained)
    }

    async fn with_data(&self, task: Assignment) -> Result<Option<Assignment>> {
        if task.data_bytes == 0 {
            return Ok(Some(task));
        }
        let found = self.worker.client.task(&task.task).await?;
        Ok(found.filter(|found| found.generation == task.generation))
    }
}

impl Known {
    fn holds(&self, task: &Assignment) -> bool {
        self.held
            .get(&task.task)
            .is_some_and(|held| held.generation == task.generation)
    }

    /// What is new in `tasks`, of which `gained` could be read; none if nothing is.
    fn learn(
        &mut self,
        revision: u64,
        draining: bool,
        tasks: Vec<Assignment>,
        gained: Vec<Assignment>,
    ) -> Option<AssignmentChanges> {
        let mut held: BTreeMap<String, Assignment> = tasks
            .into_iter()
            .filter(|task| self.holds(task))
            .map(|task| (task.task.clone(), task))
            .collect();
        let over = self.held.iter().filter(|(task, _)| !held.contains_key(*task));
        let ended: Vec<Assignment> = over.map(|(_, assignment)| assignment.clone()).collect();
        for task in &gained {
            let data = Bytes::new();
            held.insert(task.task.clone(), Assignment { data, ..task.clone() });
        }
        let changed = !gained.is_empty() || !ended.is_empty() || draining != self.draining;
        *self = Self {
            held,
            draining,
            revision,
        };
        changed.then_some(AssignmentChanges {
            gained,
            ended,
            draining,
        })
    }
}

#[cfg(test)]
mod tests {
    use quorate_proto::v1;

    use super::*;

    fn task(name: &str, generation: u64) -> Assignment {
        Assignment::from(v1::Assignment {
            task: name.to_owned(),
            worker: "w".to_owned(),
            generation,
            ..Default::default()
        })
    }

    fn learn(known: &mut Known, tasks: &[Assignment], gained: &[Assignment]) -> Option<AssignmentChanges> {
        known.learn(7, false, tasks.to_vec(), gained.to_vec())
    }

    #[test]
    fn each_assignment_is_gained_once_and_ends_once() {
        let mut known = Known::default();
        let (a, b) = (task("a", 1), task("b", 2));
        let both = [a.clone(), b.clone()];
        let changes = learn(&mut known, &both, &both).unwrap();
        assert_eq!((changes.gained.len(), changes.ended.len()), (2, 0));
        assert_eq!(learn(&mut known, &both, &[]), None);
        let changes = learn(&mut known, std::slice::from_ref(&b), &[]).unwrap();
        assert_eq!(changes.ended, [a]);
        assert!(known.holds(&b));
    }

    #[test]
    fn a_task_that_is_assigned_anew_ends_and_is_gained() {
        let mut known = Known::default();
        let (before, after) = ([task("a", 1)], [task("a", 5)]);
        learn(&mut known, &before, &before);
        let changes = learn(&mut known, &after, &after).unwrap();
        assert_eq!(changes.gained, after);
        assert_eq!(changes.ended, before);
    }

    #[test]
    fn a_task_that_could_not_be_read_is_not_known() {
        let mut known = Known::default();
        assert_eq!(learn(&mut known, &[task("a", 1)], &[]), None);
        assert!(!known.holds(&task("a", 1)));
        assert_eq!(known.revision, 7);
    }

    #[test]
    fn draining_is_a_change_by_itself() {
        let mut known = Known::default();
        assert!(known.learn(3, true, Vec::new(), Vec::new()).unwrap().draining);
        assert!(known.learn(4, true, Vec::new(), Vec::new()).is_none());
    }
}
