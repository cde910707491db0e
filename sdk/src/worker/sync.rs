//! Making the assignments what a program wants of them.

use quorate_proto::v1;
use quorate_proto::v1::worker_operation::Operation as WorkerOperation;

use super::call::send;
use super::op::{WorkerOp, WorkerOpReply};
use crate::client::Client;
use crate::error::Result;
use crate::lease::not_expected;

/// Who is to have which tasks, from assignments that were read: at most 10,000 tasks. See [`Client::sync_assignments`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing is done before assignments are synced"]
pub struct SyncAssignments(v1::AssignmentsSync);

impl SyncAssignments {
    /// No worker has any task, and all of them wait; from assignments as they were at this revision, which is
    /// [`AssignmentsSnapshot::revision`](crate::AssignmentsSnapshot::revision), or that of the sync before. 0: there is no
    /// task.
    pub fn new(expected_revision: u64) -> Self {
        Self(v1::AssignmentsSync {
            expected_revision,
            ..Default::default()
        })
    }

    /// All tasks that a worker is to have. A worker, and a task in all of it, is named once.
    pub fn worker(mut self, worker: impl Into<String>, tasks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.0.workers.push(v1::WorkerTasks {
            worker: worker.into(),
            tasks: tasks.into_iter().map(Into::into).collect(),
        });
        self
    }

    /// Workers that are not named keep their tasks, but for those that are named. Default: all of theirs wait.
    pub fn only_workers(mut self) -> Self {
        self.0.only_workers = true;
        self
    }
}

/// What a [`Client::sync_assignments`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignmentsSynced {
    /// Tasks that were made, or waited before.
    pub assigned: u32,
    /// Tasks that another worker had.
    pub moved: u32,
    /// Tasks that wait now.
    pub unassigned: u32,
    /// Tasks that were with their workers already: they keep their generations.
    pub kept: u32,
    /// The generation of all but those that were kept; 0: there are no others.
    pub generation: u64,
    /// What the next [`SyncAssignments::new`] expects if nobody else changes an assignment.
    pub revision: u64,
}

impl From<v1::AssignmentsSynced> for AssignmentsSynced {
    fn from(synced: v1::AssignmentsSynced) -> Self {
        Self {
            assigned: synced.assigned,
            moved: synced.moved,
            unassigned: synced.unassigned,
            kept: synced.kept,
            generation: synced.generation,
            revision: synced.changed_revision,
        }
    }
}

impl WorkerOp {
    /// Makes the assignments what is wanted of them. Operations on tasks that stand before it in the transaction change the
    /// assignments.
    pub fn sync(wanted: SyncAssignments) -> Self {
        Self::of(WorkerOperation::Sync(wanted.0))
    }
}

impl Client {
    /// Makes the assignments what is wanted of them, all of that at one revision, if they are still as they were read. A
    /// task that is named is made, if there is none of that name, or moved; one that is where it should be keeps its
    /// generation; and one that a worker has and that is not named waits.
    ///
    /// ```no_run
    /// use quorate::SyncAssignments;
    ///
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let snapshot = client.assignments().snapshot().await?;
    /// let wanted = SyncAssignments::new(snapshot.revision)
    ///     .worker("worker-1", ["reindex/1", "reindex/2"])
    ///     .worker("worker-2", ["reindex/3"]);
    /// let synced = client.sync_assignments(wanted).await?;
    /// println!("{} moved, {} stayed", synced.moved, synced.kept);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if an assignment has changed since: read them again.
    /// [`UnknownWorker`](crate::ErrorKind::UnknownWorker) if one is not registered or offline,
    /// [`WorkerDraining`](crate::ErrorKind::WorkerDraining) if it takes nothing new,
    /// [`NoCapacity`](crate::ErrorKind::NoCapacity) if it would have more than it can do,
    /// [`NoWorker`](crate::ErrorKind::NoWorker) if it lacks labels that a task asks for,
    /// [`LimitReached`](crate::ErrorKind::LimitReached) if more than 10,000 tasks would have to wait, and what any call may
    /// return.
    pub async fn sync_assignments(&self, wanted: SyncAssignments) -> Result<AssignmentsSynced> {
        match send(self, WorkerOp::sync(wanted)).await?.0 {
            WorkerOpReply::Synced(synced) => Ok(synced),
            other => Err(not_expected("sync assignments", &other)),
        }
    }
}
