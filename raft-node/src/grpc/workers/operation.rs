//! Operations of a transaction, and their results.

use std::collections::{BTreeMap, BTreeSet};

use quorate_proto::v1::{self as proto, Error, task_assign, worker_operation, worker_result};

use super::field;
use crate::config::Limits;
use crate::coordination::workers::{
    ASSIGN_PENDING_MAX, DATA_BYTES_MAX, Destination, SYNC_MAX, SyncAssignments, WorkerOperation, WorkerReply,
};
use crate::grpc::error::{invalid, too_large};
use crate::grpc::leases;
use crate::types::{LeaseId, Revision};

/// Checks an operation of a transaction.
pub fn operation(_limits: &Limits, operation: &proto::WorkerOperation) -> Result<WorkerOperation, Error> {
    use worker_operation::Operation;
    let Some(operation) = &operation.operation else {
        return Err(invalid("operation", "an operation is empty"));
    };
    Ok(match operation {
        Operation::Register(register) => WorkerOperation::Register {
            worker: field::worker("worker", &register.worker)?,
            lease: leases::id("lease", register.lease)?,
            labels: field::labels(&register.labels)?,
            capacity: field::capacity(register.capacity)?,
        },
        Operation::Update(update) => WorkerOperation::Update {
            worker: field::worker("worker", &update.worker)?,
            lease: leases::id("lease", update.lease)?,
            capacity: update.capacity.map(field::capacity).transpose()?,
            labels: update
                .labels
                .as_ref()
                .map(|labels| field::labels(&labels.labels))
                .transpose()?,
        },
        Operation::Drain(drain) => WorkerOperation::Drain {
            worker: field::worker("worker", &drain.worker)?,
            draining: drain.draining,
        },
        Operation::Deregister(deregister) => WorkerOperation::Deregister {
            worker: field::worker("worker", &deregister.worker)?,
            lease: (deregister.lease != 0).then_some(LeaseId(deregister.lease)),
        },
        Operation::Assign(assign) => self::assign(assign)?,
        Operation::Unassign(unassign) => WorkerOperation::Unassign {
            task: field::task(&unassign.task)?,
            generation: unassign.generation.map(field::generation).transpose()?,
        },
        Operation::Complete(complete) => WorkerOperation::Complete {
            task: field::task(&complete.task)?,
            worker: field::worker("worker", &complete.worker)?,
            generation: field::generation(complete.generation)?,
        },
        Operation::Cancel(cancel) => WorkerOperation::Cancel {
            task: field::task(&cancel.task)?,
            generation: cancel.generation.map(field::generation).transpose()?,
        },
        Operation::Fence(fence) => WorkerOperation::Fence {
            task: field::task(&fence.task)?,
            worker: field::worker("worker", &fence.worker)?,
            generation: field::generation(fence.generation)?,
        },
        Operation::Move(moved) => move_task(moved)?,
        Operation::AssignPending(pending) => assign_pending(pending)?,
        Operation::Sync(wanted) => WorkerOperation::Sync(sync(wanted)?),
    })
}

fn assign(assign: &proto::TaskAssign) -> Result<WorkerOperation, Error> {
    field::bytes("data", assign.data.len(), DATA_BYTES_MAX)?;
    let to = match &assign.to {
        None => {
            return Err(invalid(
                "to",
                "to whom is not said: name a worker, or ask for the least loaded one",
            ));
        }
        Some(task_assign::To::Worker(worker)) => Destination::Worker(field::worker("to", worker)?),
        Some(task_assign::To::LeastLoaded(least)) => Destination::LeastLoaded { or_wait: least.or_wait },
    };
    Ok(WorkerOperation::Assign {
        task: field::task(&assign.task)?,
        to,
        labels: field::labels(&assign.labels)?,
        data: assign.data.to_vec(),
        expected_generation: assign.expected_generation,
    })
}

fn move_task(moved: &proto::TaskMove) -> Result<WorkerOperation, Error> {
    if moved.from == moved.to {
        return Err(invalid(
            "to",
            "a task is moved from one worker to another, and these are the same",
        ));
    }
    Ok(WorkerOperation::Move {
        task: field::task(&moved.task)?,
        from: field::worker("from", &moved.from)?,
        generation: field::generation(moved.generation)?,
        to: field::worker("to", &moved.to)?,
    })
}

fn assign_pending(pending: &proto::TaskAssignPending) -> Result<WorkerOperation, Error> {
    if pending.count == 0 {
        return Err(invalid("count", "no task is to be assigned; the count is at least 1"));
    }
    if pending.count > ASSIGN_PENDING_MAX {
        let (limit, value) = (u64::from(ASSIGN_PENDING_MAX), u64::from(pending.count));
        return Err(too_large("count", "fixed", limit, value, "tasks"));
    }
    Ok(WorkerOperation::AssignPending {
        count: pending.count,
        after: field::cursor("after", &pending.after)?,
    })
}

/// Every worker, and every task of all of them, is named once.
fn sync(wanted: &proto::AssignmentsSync) -> Result<SyncAssignments, Error> {
    if wanted.workers.is_empty() && wanted.only_workers {
        return Err(invalid(
            "workers",
            "nothing is wanted: no worker is named, and others keep their tasks",
        ));
    }
    let limit = SYNC_MAX as usize;
    let named = wanted.workers.iter().map(|one| one.tasks.len()).sum();
    for (field, value, unit) in [
        ("workers", wanted.workers.len(), "workers"),
        ("workers.tasks", named, "tasks"),
    ] {
        if value > limit {
            return Err(too_large(field, "fixed", limit as u64, value as u64, unit));
        }
    }
    let mut workers = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for one in &wanted.workers {
        let name = field::worker("worker", &one.worker)?;
        let mut tasks = BTreeSet::new();
        for task in &one.tasks {
            if !seen.insert(task) {
                return Err(invalid("workers.tasks", format!("task {task:?} is named twice")));
            }
            tasks.insert(field::task(task)?);
        }
        if workers.insert(name, tasks).is_some() {
            let message = format!("worker {:?} is named twice", one.worker);
            return Err(invalid("workers.worker", message));
        }
    }
    Ok(SyncAssignments {
        expected: Revision(wanted.expected_revision),
        workers,
        only_workers: wanted.only_workers,
    })
}

/// The result of an operation.
pub fn result(reply: WorkerReply) -> proto::WorkerResult {
    use worker_result::Result;
    let result = match reply {
        WorkerReply::Registered { registered } => Result::Registered(proto::WorkerRegistered {
            registered_revision: registered.0,
        }),
        WorkerReply::Updated => Result::Updated(proto::WorkerUpdated {}),
        WorkerReply::Drained { assigned } => Result::Drained(proto::WorkerDrained { assigned }),
        WorkerReply::Deregistered { pending } => Result::Deregistered(proto::WorkerDeregistered { pending }),
        WorkerReply::Assigned { worker, generation } => Result::Assigned(proto::TaskAssigned {
            worker: worker.unwrap_or_default(),
            generation,
        }),
        WorkerReply::Unassigned { generation } => Result::Unassigned(proto::TaskUnassigned { generation }),
        WorkerReply::Ended => Result::Ended(proto::TaskEnded {}),
        WorkerReply::Stands => Result::Stands(proto::TaskStands {}),
        WorkerReply::PendingAssigned { placed, next } => {
            let placed = placed.into_iter().map(|placed| proto::PlacedTask {
                task: placed.task,
                worker: placed.worker,
                generation: placed.generation,
            });
            Result::PendingAssigned(proto::TaskPendingAssigned {
                placed: placed.collect(),
                next: field::written(next).into(),
            })
        }
        WorkerReply::Synced {
            synced,
            generation,
            changed,
        } => Result::Synced(proto::AssignmentsSynced {
            assigned: synced.assigned,
            moved: synced.moved,
            unassigned: synced.unassigned,
            kept: synced.kept,
            generation,
            changed_revision: changed.0,
        }),
    };
    proto::WorkerResult { result: Some(result) }
}
