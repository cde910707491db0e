//! What can be asked of workers and assignments.

use bincode::{Decode, Encode};

use super::rows::{Cursor, Labels};
use super::sync::{SyncAssignments, Synced, sync};
use super::{
    assign, assign_pending, cancel, complete, deregister, drain, fence, move_task, register, unassign, update,
};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, Revision};

/// An operation on workers or assignments.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerOperation {
    /// Registers a worker for as long as a lease lives; or changes what it says of itself, under the same lease.
    Register {
        /// Its name.
        worker: String,
        /// Its life.
        lease: LeaseId,
        /// What it can do.
        labels: Labels,
        /// How many tasks it may have at a time. With 0 it is assigned none; it can still claim items of queues.
        capacity: u32,
    },
    /// Changes what a worker says of itself.
    Update {
        /// Its name.
        worker: String,
        /// The lease it is registered under.
        lease: LeaseId,
        /// The new capacity; none: as it is.
        capacity: Option<u32>,
        /// The new labels; none: as they are. Tasks it has stay, whatever they ask for.
        labels: Option<Labels>,
    },
    /// Makes a worker take nothing new, or take again.
    Drain {
        /// Its name.
        worker: String,
        /// It takes nothing new.
        draining: bool,
    },
    /// Forgets a worker; its tasks wait.
    Deregister {
        /// Its name.
        worker: String,
        /// The lease it is registered under; none: it must be offline.
        lease: Option<LeaseId>,
    },
    /// Assigns a task.
    Assign {
        /// Its name.
        task: String,
        /// To whom.
        to: Destination,
        /// Labels that a worker must carry to have it.
        labels: Labels,
        /// What the worker is to know of it.
        data: Vec<u8>,
        /// The generation that is replaced; 0: there must be no such task. None: the task must not be assigned, unless
        /// just so.
        expected_generation: Option<u64>,
    },
    /// Takes a task from its worker; it waits.
    Unassign {
        /// Its name.
        task: String,
        /// Of the assignment that is to end; none: whichever it is.
        generation: Option<u64>,
    },
    /// Ends a task: it is done.
    Complete {
        /// Its name.
        task: String,
        /// Who did it.
        worker: String,
        /// Of the assignment under which it was done.
        generation: u64,
    },
    /// Ends a task that is not done, assigned or waiting.
    Cancel {
        /// Its name.
        task: String,
        /// The generation it must be at; none: whichever it is.
        generation: Option<u64>,
    },
    /// Refuses the transaction unless this assignment stands.
    Fence {
        /// The task.
        task: String,
        /// Who should have it.
        worker: String,
        /// Of the assignment.
        generation: u64,
    },
    /// Assigns a task to another worker, if it is still where it was.
    Move {
        /// The task.
        task: String,
        /// Who has it.
        from: String,
        /// Of that assignment.
        generation: u64,
        /// Who is to have it.
        to: String,
    },
    /// Assigns waiting tasks, those that wait longest first, each to the least loaded worker that may have it. Tasks that
    /// nobody can take stay.
    AssignPending {
        /// At most this many.
        count: u32,
        /// Those after this one only: where the last such operation stopped.
        after: Option<Cursor>,
    },
    /// Makes the assignments what is wanted of them.
    Sync(SyncAssignments),
}

/// To whom a task is assigned.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Destination {
    /// This worker.
    Worker(String),
    /// The worker with the least share of its capacity in use that carries the labels; among equals the first by name.
    LeastLoaded {
        /// If nobody can take it, it waits; otherwise that is refused.
        or_wait: bool,
    },
}

/// The answer of an operation on workers or assignments.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WorkerReply {
    /// The worker is as was asked.
    Registered {
        /// Revision of its registration.
        registered: Revision,
    },
    /// The worker is as was asked.
    Updated,
    /// The worker is as was asked.
    Drained {
        /// Tasks that it still has.
        assigned: u32,
    },
    /// The worker is forgotten.
    Deregistered {
        /// Tasks that wait now.
        pending: u32,
    },
    /// The task is as was asked.
    Assigned {
        /// Who has it; none: it waits.
        worker: Option<String>,
        /// Of the assignment.
        generation: u64,
    },
    /// The task waits.
    Unassigned {
        /// Its generation now.
        generation: u64,
    },
    /// The task is gone.
    Ended,
    /// The assignment stands.
    Stands,
    /// What was assigned.
    PendingAssigned {
        /// In the order in which they waited.
        placed: Vec<Placed>,
        /// Where to go on, if not every waiting task was looked at.
        next: Option<Cursor>,
    },
    /// The assignments are what was wanted of them.
    Synced {
        /// What was done.
        synced: Synced,
        /// Of what was assigned, moved, or waits; 0: nothing was.
        generation: u64,
        /// When an assignment last changed.
        changed: Revision,
    },
}

/// A task that found a worker.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Placed {
    /// The task.
    pub task: String,
    /// Who has it.
    pub worker: String,
    /// Of the assignment.
    pub generation: u64,
}

impl WorkerOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        matches!(
            self,
            WorkerOperation::Register { .. } | WorkerOperation::Assign { .. } | WorkerOperation::Sync(_)
        )
    }
}

/// Does the operation.
pub fn operate(edit: &mut Edit<'_>, operation: WorkerOperation) -> Result<WorkerReply, Failure> {
    use WorkerOperation as O;
    match operation {
        O::Register {
            worker,
            lease,
            labels,
            capacity,
        } => register::register(edit, &worker, lease, labels, capacity),
        O::Update {
            worker,
            lease,
            capacity,
            labels,
        } => update::update(edit, &worker, lease, capacity, labels),
        O::Drain { worker, draining } => drain::drain(edit, &worker, draining),
        O::Deregister { worker, lease } => deregister::deregister(edit, &worker, lease),
        O::Assign {
            task,
            to,
            labels,
            data,
            expected_generation,
        } => assign::assign(edit, &task, &to, assign::Wanted { labels, data }, expected_generation),
        O::Unassign { task, generation } => unassign::unassign(edit, &task, generation),
        O::Complete {
            task,
            worker,
            generation,
        } => complete::complete(edit, &task, &worker, generation),
        O::Cancel { task, generation } => cancel::cancel(edit, &task, generation),
        O::Fence {
            task,
            worker,
            generation,
        } => fence::fence(edit, &task, &worker, generation),
        O::Move {
            task,
            from,
            generation,
            to,
        } => move_task::move_task(edit, &task, &from, generation, &to),
        O::AssignPending { count, after } => assign_pending::assign_pending(edit, count, after.as_ref()),
        O::Sync(wanted) => sync(edit, &wanted),
    }
}
