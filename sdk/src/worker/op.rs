//! Workers and tasks in transactions.

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::task_assign::To;
use quorate_proto::v1::worker_operation::Operation as WorkerOperation;
use quorate_proto::v1::worker_result::Result as WorkerResult;

use super::record::named;
use super::sync::AssignmentsSynced;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::IntoBytes;
use crate::txn::Op;

/// An operation on a worker or a task, for a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in a transaction only"]
pub struct WorkerOp(v1::WorkerOperation);

/// The assignment of a task as an operation of a transaction; see [`WorkerOp::assign`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in a transaction only"]
pub struct AssignOp(v1::TaskAssign);

impl WorkerOp {
    /// Assigns a task, to the least loaded worker unless one is named.
    pub fn assign(task: impl Into<String>) -> AssignOp {
        AssignOp(v1::TaskAssign {
            task: task.into(),
            to: Some(To::LeastLoaded(v1::LeastLoaded { or_wait: false })),
            ..Default::default()
        })
    }

    /// Takes a task from whoever has it; it waits. With a generation: only if the task is at that.
    pub fn unassign(task: impl Into<String>, generation: Option<u64>) -> Self {
        let task = task.into();
        Self::of(WorkerOperation::Unassign(v1::TaskUnassign { task, generation }))
    }

    /// Ends a task that this worker has by the assignment with this generation: it is done.
    pub fn complete(task: impl Into<String>, worker: impl Into<String>, generation: u64) -> Self {
        let (task, worker) = (task.into(), worker.into());
        Self::of(WorkerOperation::Complete(v1::TaskComplete {
            task,
            worker,
            generation,
        }))
    }

    /// Ends a task though it is not done. With a generation: only if the task is at that.
    pub fn cancel(task: impl Into<String>, generation: Option<u64>) -> Self {
        let task = task.into();
        Self::of(WorkerOperation::Cancel(v1::TaskCancel { task, generation }))
    }

    /// Refuses the transaction unless this worker has the task by the assignment with this generation.
    pub fn fence(task: impl Into<String>, worker: impl Into<String>, generation: u64) -> Self {
        let (task, worker) = (task.into(), worker.into());
        Self::of(WorkerOperation::Fence(v1::TaskFence {
            task,
            worker,
            generation,
        }))
    }

    /// Moves a task to another worker, if it still is where it was at this generation.
    pub fn move_task(task: impl Into<String>, from: impl Into<String>, generation: u64, to: impl Into<String>) -> Self {
        Self::of(WorkerOperation::Move(v1::TaskMove {
            task: task.into(),
            from: from.into(),
            generation,
            to: to.into(),
        }))
    }

    /// Makes a worker take nothing new, or, with `false`, take again.
    pub fn drain(worker: impl Into<String>, draining: bool) -> Self {
        let worker = worker.into();
        Self::of(WorkerOperation::Drain(v1::WorkerDrain { worker, draining }))
    }

    pub(super) fn of(operation: WorkerOperation) -> Self {
        Self(v1::WorkerOperation {
            operation: Some(operation),
        })
    }
}

impl AssignOp {
    /// Who is to have it. Default: the least loaded worker that carries the labels, the first by name among equals.
    pub fn to(mut self, worker: impl Into<String>) -> Self {
        self.0.to = Some(To::Worker(worker.into()));
        self
    }

    /// It goes to the least loaded worker, and waits if nobody can take it. Default: that is refused as
    /// [`NoWorker`](ErrorKind::NoWorker).
    pub fn or_wait(mut self) -> Self {
        self.0.to = Some(To::LeastLoaded(v1::LeastLoaded { or_wait: true }));
        self
    }

    /// A label that a worker must carry to have it; at most 16. Default: none.
    pub fn label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.labels.insert(label.into(), value.into());
        self
    }

    /// What the worker is to know of it, at most 64 KiB. Default: nothing.
    pub fn data(mut self, data: impl IntoBytes) -> Self {
        self.0.data = data.into_bytes();
        self
    }

    /// It takes the place of what the task is at this generation; 0: there must be no such task. Otherwise refused as
    /// [`Conflict`](ErrorKind::Conflict). Default: the task must be new, or wait, or be just as is asked.
    pub fn replacing(mut self, generation: u64) -> Self {
        self.0.expected_generation = Some(generation);
        self
    }

    pub(super) fn task(&self) -> &str {
        &self.0.task
    }
}

impl From<WorkerOp> for Op {
    fn from(worker: WorkerOp) -> Self {
        Op::of(Operation::Worker(worker.0))
    }
}

impl From<AssignOp> for Op {
    fn from(assign: AssignOp) -> Self {
        WorkerOp::of(WorkerOperation::Assign(assign.0)).into()
    }
}

/// A waiting task that was given to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlacedTask {
    /// The task.
    pub task: String,
    /// Who has it now.
    pub worker: String,
    /// Of this assignment.
    pub generation: u64,
}

/// The answer of an operation on workers and tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerOpReply {
    /// Of a registration.
    Registered {
        /// The revision at which the worker was registered.
        registered_revision: u64,
    },
    /// What a worker says of itself was changed.
    Updated,
    /// Of [`WorkerOp::drain`].
    Drained {
        /// Tasks that it still has.
        assigned: u32,
    },
    /// The worker was forgotten.
    Deregistered {
        /// Tasks that wait now.
        pending: u32,
    },
    /// Of [`WorkerOp::assign`] and [`WorkerOp::move_task`].
    Assigned {
        /// Who has the task; none: it waits.
        worker: Option<String>,
        /// Of this assignment.
        generation: u64,
    },
    /// Of [`WorkerOp::unassign`].
    Unassigned {
        /// The task's, now that it waits.
        generation: u64,
    },
    /// Of [`WorkerOp::complete`] and [`WorkerOp::cancel`].
    Ended,
    /// Of [`WorkerOp::fence`].
    Stands,
    /// Waiting tasks were given to workers.
    PendingAssigned {
        /// Those.
        placed: Vec<PlacedTask>,
        /// Where to go on; empty: every waiting task was looked at.
        next: Bytes,
    },
    /// Of [`WorkerOp::sync`].
    Synced(AssignmentsSynced),
}

impl WorkerOpReply {
    pub(crate) fn from_wire(result: v1::WorkerResult) -> Result<Self> {
        let Some(result) = result.result else {
            let message = "an operation on workers came back without a result";
            return Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message));
        };
        Ok(match result {
            WorkerResult::Registered(registered) => Self::Registered {
                registered_revision: registered.registered_revision,
            },
            WorkerResult::Updated(_) => Self::Updated,
            WorkerResult::Drained(drained) => Self::Drained {
                assigned: drained.assigned,
            },
            WorkerResult::Deregistered(deregistered) => Self::Deregistered {
                pending: deregistered.pending,
            },
            WorkerResult::Assigned(assigned) => Self::Assigned {
                worker: named(assigned.worker),
                generation: assigned.generation,
            },
            WorkerResult::Unassigned(unassigned) => Self::Unassigned {
                generation: unassigned.generation,
            },
            WorkerResult::Ended(_) => Self::Ended,
            WorkerResult::Stands(_) => Self::Stands,
            WorkerResult::PendingAssigned(assigned) => Self::PendingAssigned {
                placed: assigned.placed.into_iter().map(PlacedTask::from).collect(),
                next: assigned.next,
            },
            WorkerResult::Synced(synced) => Self::Synced(synced.into()),
        })
    }
}

impl From<v1::PlacedTask> for PlacedTask {
    fn from(placed: v1::PlacedTask) -> Self {
        Self {
            task: placed.task,
            worker: placed.worker,
            generation: placed.generation,
        }
    }
}
