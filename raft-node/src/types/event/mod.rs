//! What watchers are told of coordination, a file for each kind of thing that it happens to.

mod lease;
mod lock;
mod queue;
mod task;
mod worker;

use std::borrow::Cow;

use bincode::{Decode, Encode};

pub use lease::LeaseEvent;
pub use lock::{HoldEnd, LockEvent};
pub use queue::{ClaimEnd, ItemEvent, QueueEvent};
pub use task::{TaskEvent, TaskWait};
pub use worker::WorkerEvent;

use super::{DomainId, LeaseId};

/// What has events: within a space, things are told apart by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Keys of a domain, by key.
    Keys(DomainId),
    /// Leases, by their id in decimal.
    Leases,
    /// Locks, by name.
    Locks,
    /// Queues, by name.
    Queues,
    /// Workers, by name.
    Workers,
    /// Assignments, by the name of the task.
    Tasks,
}

/// Something that happened to what coordination keeps. It is stored with its revision, so that a watch can resume: the
/// order of the variants, here and below, is part of the stored format; append only. What is long, such as the payload of
/// an item, is left out: whoever wants it reads it.
///
/// No event has what changes often and is nobody's news: waiting for a lock, renewing a lease, extending a claim, storing
/// a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// To a lease.
    Lease {
        /// Which.
        lease: LeaseId,
        /// What.
        what: LeaseEvent,
    },
    /// To a lock, a semaphore or an election.
    Lock {
        /// Its name.
        lock: String,
        /// What.
        what: LockEvent,
    },
    /// To a queue, or to items of it.
    Queue {
        /// Its name.
        queue: String,
        /// What.
        what: QueueEvent,
    },
    /// To a worker.
    Worker {
        /// Its name.
        worker: String,
        /// What.
        what: WorkerEvent,
    },
    /// To the assignment of a task.
    Task {
        /// Its name.
        task: String,
        /// What.
        what: TaskEvent,
    },
}

impl Event {
    /// Where what it happened to is looked for.
    pub fn space(&self) -> Space {
        match self {
            Event::Lease { .. } => Space::Leases,
            Event::Lock { .. } => Space::Locks,
            Event::Queue { .. } => Space::Queues,
            Event::Worker { .. } => Space::Workers,
            Event::Task { .. } => Space::Tasks,
        }
    }

    /// The name of what it happened to, within its space.
    pub fn name(&self) -> Cow<'_, [u8]> {
        match self {
            Event::Lease { lease, .. } => Cow::Owned(lease.0.to_string().into_bytes()),
            Event::Lock { lock: name, .. }
            | Event::Queue { queue: name, .. }
            | Event::Worker { worker: name, .. }
            | Event::Task { task: name, .. } => Cow::Borrowed(name.as_bytes()),
        }
    }

    /// Bytes that it takes, stored or in memory: never less, and mostly not much more.
    pub fn bytes(&self) -> usize {
        size_of::<Event>()
            + match self {
                Event::Lease { what, .. } => what.bytes(),
                Event::Lock { lock, what } => lock.len() + what.bytes(),
                Event::Queue { queue, what } => queue.len() + what.bytes(),
                Event::Worker { worker, .. } => worker.len(),
                Event::Task { task, what } => task.len() + what.bytes(),
            }
    }
}
