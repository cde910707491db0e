//! What happened to a worker.

use quorate_proto::v1;
use quorate_proto::v1::worker_event::What;

/// What happened to a worker. Its labels are not here: [`Client::worker`](crate::Client::worker) reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerEvent {
    /// Its name.
    pub worker: String,
    /// What happened.
    pub kind: WorkerEventKind,
}

/// What happened to a worker. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEventKind {
    /// It takes work from now on: it is new, or was offline.
    #[non_exhaustive]
    Registered {
        /// The lease that it lives with.
        lease: u64,
        /// Tasks that it may have at a time.
        capacity: u32,
    },
    /// It says something else of itself: another capacity, other labels, or both.
    #[non_exhaustive]
    Updated {
        /// Tasks that it may have at a time.
        capacity: u32,
    },
    /// It takes nothing new; what it has, it keeps.
    Draining,
    /// It drains no more.
    Resumed,
    /// Its lease has ended. Each of its tasks has an event at this revision, too.
    #[non_exhaustive]
    Offline {
        /// The lease that it lived with.
        lease: u64,
    },
    /// It is forgotten. Each of its tasks, if it had any, has an event at this revision, too.
    Deregistered,
}

impl WorkerEvent {
    /// None for something that this version does not know.
    pub(super) fn from_wire(event: v1::WorkerEvent) -> Option<Self> {
        let kind = match event.what? {
            What::Registered(what) => WorkerEventKind::Registered {
                lease: what.lease,
                capacity: what.capacity,
            },
            What::Updated(what) => WorkerEventKind::Updated {
                capacity: what.capacity,
            },
            What::Draining(_) => WorkerEventKind::Draining,
            What::Resumed(_) => WorkerEventKind::Resumed,
            What::Offline(what) => WorkerEventKind::Offline { lease: what.lease },
            What::Deregistered(_) => WorkerEventKind::Deregistered,
        };
        let worker = event.worker;
        Some(Self { worker, kind })
    }
}
