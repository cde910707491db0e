//! Who has which task, as one map.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::handle::{Memory, Shared};
use super::metrics::count;
use super::value::encode;
use crate::domain::Tier;
use crate::error::{ErrorKind, Result};
use crate::lease::not_expected;
use crate::txn::{Op, OpReply};
use crate::worker::{AssignmentsSnapshot, AssignmentsSynced, SyncAssignments, WorkerOp, WorkerOpReply};

/// How often assignments are read again that others change meanwhile.
const ROUNDS_MAX: u32 = 8;

/// Assignments to be made true.
#[must_use = "a call is made when it is awaited"]
pub struct MemoryAssignments<'a> {
    shared: &'a Shared,
    workers: BTreeMap<String, Vec<String>>,
    expected_revision: Option<u64>,
    only_workers: bool,
}

impl Memory {
    /// Sets who has which tasks, all of that at one revision, if the workers are registered and have the capacity. A task that
    /// a worker has and that is not named waits. The map is also written to `coordination/assignments`, for those who
    /// subscribe to that; it is not changed when a task ends. Await the builder.
    ///
    /// ```no_run
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// memory.sync_assignments([("worker-1", vec!["task-1", "task-2"]), ("worker-2", vec!["task-3"])]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_assignments<W, T>(&self, workers: impl IntoIterator<Item = (W, T)>) -> MemoryAssignments<'_>
    where
        W: Into<String>,
        T: IntoIterator<Item: Into<String>>,
    {
        let workers = workers.into_iter();
        MemoryAssignments {
            shared: &self.shared,
            workers: workers
                .map(|(worker, tasks)| (worker.into(), tasks.into_iter().map(Into::into).collect()))
                .collect(),
            expected_revision: None,
            only_workers: false,
        }
    }

    /// Who has which tasks, all of them at one revision.
    ///
    /// # Errors
    ///
    /// As [`ListAssignments::snapshot`](crate::ListAssignments::snapshot); [`Closed`](ErrorKind::Closed).
    pub async fn get_assignments(&self) -> Result<AssignmentsSnapshot> {
        let _pass = self.shared.gate.enter_to_read()?;
        count(&self.shared.counters.reads, 1);
        self.shared.client.assignments().snapshot().await
    }
}

impl MemoryAssignments<'_> {
    /// Refused with [`Conflict`](ErrorKind::Conflict) if an assignment has changed since this revision, which is that of
    /// [`get_assignments`](Memory::get_assignments). Default: whatever they were.
    pub fn expected_revision(mut self, revision: u64) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Workers that are not named keep their tasks, but for those that are named. Default: all of theirs wait.
    pub fn only_workers(mut self) -> Self {
        self.only_workers = true;
        self
    }

    async fn send(self) -> Result<AssignmentsSynced> {
        let shared = self.shared;
        let _pass = shared.gate.enter()?;
        let key = shared.table.assignments();
        let json = Bytes::from(encode(&key, &self.workers)?);
        let mut rounds = 1;
        let synced = loop {
            match self.attempt(&key, &json).await {
                Err(error)
                    if *error.kind() == ErrorKind::Conflict
                        && self.expected_revision.is_none()
                        && rounds < ROUNDS_MAX =>
                {
                    rounds += 1;
                }
                other => break other?,
            }
        };
        shared.wrote(key, Tier::Strong, Some(synced.revision), json);
        Ok(synced)
    }

    async fn attempt(&self, key: &str, json: &Bytes) -> Result<AssignmentsSynced> {
        let client = &self.shared.client;
        let revision = match self.expected_revision {
            Some(revision) => revision,
            None => client.assignments().snapshot().await?.revision,
        };
        let mut wanted = SyncAssignments::new(revision);
        for (worker, tasks) in &self.workers {
            wanted = wanted.worker(worker, tasks);
        }
        if self.only_workers {
            wanted = wanted.only_workers();
        }
        let reply = client
            .txn()
            .then(WorkerOp::sync(wanted))
            .then(Op::put(key, json))
            .await?;
        match reply.results.into_iter().next() {
            Some(OpReply::Worker(WorkerOpReply::Synced(synced))) => Ok(synced),
            Some(other) => Err(not_expected("sync assignments", &other)),
            None => Err(crate::Error::new(
                ErrorKind::Protocol,
                crate::Outcome::Unknown,
                "a sync of assignments was answered without a result",
            )),
        }
    }
}

impl<'a> IntoFuture for MemoryAssignments<'a> {
    type Output = Result<AssignmentsSynced>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
