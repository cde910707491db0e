//! Calls about one worker or one task.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::query_request::Query;
use quorate_proto::v1::query_response::Answer;
use quorate_proto::v1::reply::Response;
use quorate_proto::v1::worker_operation::Operation as WorkerOperation;
use quorate_proto::v1::worker_query::Query as WorkerQuery;

use super::op::{PlacedTask, WorkerOp, WorkerOpReply};
use super::record::{Assignment, WorkerRecord};
use crate::client::Client;
use crate::consistency::whole_ms;
use crate::error::Result;
use crate::kv::unexpected_read;
use crate::lease::{not_expected, only};
use crate::routing::Route;
use crate::txn::{Op, OpReply};

/// No call may take longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Waiting tasks that one operation places.
const PLACED_AT_ONCE: u32 = 128;

impl Client {
    /// What the store knows of a worker; none if it never was registered or was deregistered.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn worker(&self, worker: impl Into<String>) -> Result<Option<WorkerRecord>> {
        let query = WorkerQuery::Get(v1::WorkerGet { worker: worker.into() });
        let found = query_workers(self, query, Duration::ZERO).await?.workers.pop();
        found.map(WorkerRecord::from_wire).transpose()
    }

    /// Makes a worker take nothing new; what it has, it keeps. Returns how many tasks it has.
    ///
    /// # Errors
    ///
    /// [`UnknownWorker`](crate::ErrorKind::UnknownWorker) if it is not registered or is offline, and what any call may
    /// return.
    pub async fn drain_worker(&self, worker: impl Into<String>) -> Result<u32> {
        drain(self, worker.into(), true).await
    }

    /// Makes a worker that drains take tasks again. Returns how many it has.
    ///
    /// # Errors
    ///
    /// As [`Client::drain_worker`].
    pub async fn resume_worker(&self, worker: impl Into<String>) -> Result<u32> {
        drain(self, worker.into(), false).await
    }

    /// Forgets a worker that is offline; one that is not deregisters itself, with [`Worker::deregister`].
    ///
    /// # Errors
    ///
    /// [`UnknownWorker`](crate::ErrorKind::UnknownWorker) if there is no such worker,
    /// [`WorkerExists`](crate::ErrorKind::WorkerExists) if its session lives, and what any call may return.
    ///
    /// [`Worker::deregister`]: crate::Worker::deregister
    pub async fn forget_worker(&self, worker: impl Into<String>) -> Result<()> {
        deregister(self, worker.into(), 0).await.map(|_| ())
    }

    /// A task; none if there is none of that name.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn task(&self, task: impl Into<String>) -> Result<Option<Assignment>> {
        let query = WorkerQuery::Task(v1::TaskGet { task: task.into() });
        let found = query_workers(self, query, Duration::ZERO).await?.assignments.pop();
        Ok(found.map(Assignment::from))
    }

    /// Takes a task from whoever has it; it waits. With a generation: only if the task is at that. Returns its generation.
    ///
    /// # Errors
    ///
    /// [`UnknownTask`](crate::ErrorKind::UnknownTask), [`Conflict`](crate::ErrorKind::Conflict) if it is at another
    /// generation, and what any call may return.
    pub async fn unassign(&self, task: impl Into<String>, generation: Option<u64>) -> Result<u64> {
        match send(self, WorkerOp::unassign(task, generation)).await?.0 {
            WorkerOpReply::Unassigned { generation } => Ok(generation),
            other => Err(not_expected("unassign", &other)),
        }
    }

    /// Ends a task: it is done. See [`Assignment::complete_op`] for doing so together with writes.
    ///
    /// # Errors
    ///
    /// [`UnknownTask`](crate::ErrorKind::UnknownTask), [`Fenced`](crate::ErrorKind::Fenced) if that assignment is over,
    /// and what any call may return.
    pub async fn complete(&self, assignment: &Assignment) -> Result<()> {
        ended("complete", send(self, assignment.complete_op()).await?.0)
    }

    /// Ends a task though it is not done. With a generation: only if the task is at that.
    ///
    /// # Errors
    ///
    /// As [`Client::unassign`].
    pub async fn cancel_task(&self, task: impl Into<String>, generation: Option<u64>) -> Result<()> {
        ended("cancel", send(self, WorkerOp::cancel(task, generation)).await?.0)
    }

    /// Gives waiting tasks to workers, those that wait longest first, each to the least loaded worker that may have it.
    /// Those that nobody can take stay. Returns what was placed.
    ///
    /// # Errors
    ///
    /// What any call may return; some may have been placed by then.
    pub async fn assign_pending(&self) -> Result<Vec<PlacedTask>> {
        let mut all = Vec::new();
        let mut after = Bytes::new();
        loop {
            let count = PLACED_AT_ONCE;
            let operation = WorkerOp::of(WorkerOperation::AssignPending(v1::TaskAssignPending { count, after }));
            let (placed, next) = match send(self, operation).await?.0 {
                WorkerOpReply::PendingAssigned { placed, next } => (placed, next),
                other => return Err(not_expected("assign pending", &other)),
            };
            all.extend(placed);
            if next.is_empty() {
                return Ok(all);
            }
            after = next;
        }
    }
}

/// One operation as a transaction: its reply and the revision.
pub(super) async fn send(client: &Client, operation: impl Into<Op>) -> Result<(WorkerOpReply, u64)> {
    let reply = client.txn().then(operation).await?;
    match only(reply.results)? {
        OpReply::Worker(result) => Ok((result, reply.revision)),
        other => Err(not_expected("an operation on workers", &other)),
    }
}

/// Asks the leader, and gives it `wait` for what the query waits for.
pub(super) async fn query_workers(client: &Client, query: WorkerQuery, wait: Duration) -> Result<v1::WorkerAnswer> {
    let request = Request::Query(v1::QueryRequest {
        query: Some(Query::Worker(v1::WorkerQuery { query: Some(query) })),
        wait_ms: whole_ms(wait),
        ..Default::default()
    });
    let timeout = client.core.call_timeout.saturating_add(wait).min(TIMEOUT_MAX);
    let timeout = (!wait.is_zero()).then_some(timeout);
    match client.core.read(request, Route::Leader, timeout).await? {
        Response::Query(v1::QueryResponse {
            answer: Some(Answer::Worker(answer)),
            ..
        }) => Ok(answer),
        other => Err(unexpected_read("Query", &other)),
    }
}

pub(super) async fn drain(client: &Client, worker: String, draining: bool) -> Result<u32> {
    match send(client, WorkerOp::drain(worker, draining)).await?.0 {
        WorkerOpReply::Drained { assigned } => Ok(assigned),
        other => Err(not_expected("drain", &other)),
    }
}

/// Without a lease, the worker must be offline. Returns how many tasks wait now.
pub(super) async fn deregister(client: &Client, worker: String, lease: u64) -> Result<u32> {
    let operation = WorkerOp::of(WorkerOperation::Deregister(v1::WorkerDeregister { worker, lease }));
    match send(client, operation).await?.0 {
        WorkerOpReply::Deregistered { pending } => Ok(pending),
        other => Err(not_expected("deregister", &other)),
    }
}

fn ended(operation: &str, reply: WorkerOpReply) -> Result<()> {
    match reply {
        WorkerOpReply::Ended => Ok(()),
        other => Err(not_expected(operation, &other)),
    }
}
