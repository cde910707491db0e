//! What watchers are told of coordination.

use std::borrow::Cow;

use bincode::{Decode, Encode};

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
/// order of the variants, here and below, is part of the stored format; append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// To a lease.
    Lease {
        /// Which.
        lease: LeaseId,
        /// What.
        what: LeaseEvent,
    },
}

impl Event {
    /// Where what it happened to is looked for.
    pub fn space(&self) -> Space {
        match self {
            Event::Lease { .. } => Space::Leases,
        }
    }

    /// The name of what it happened to, within its space.
    pub fn name(&self) -> Cow<'_, [u8]> {
        match self {
            Event::Lease { lease, .. } => Cow::Owned(lease.0.to_string().into_bytes()),
        }
    }
}

/// What happens to leases.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseEvent {
    /// It lives from now on.
    Granted {
        /// Its name.
        name: String,
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// It is over, and what was attached to it with it.
    Ended {
        /// It was not renewed in time; otherwise it was revoked.
        expired: bool,
    },
}
