//! Why an operation on locks was refused.

use bincode::{Decode, Encode};

use super::{LeaseId, LockKind, Revision};

/// Why an operation on locks changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum LockRefusal {
    /// The fence names a hold that is over, or never was.
    #[error(
        "lease {lease} does not hold lock {lock:?} with token {token}: it was released, expired or was never granted"
    )]
    NotHeld {
        /// The lock.
        lock: String,
        /// Who should hold it.
        lease: LeaseId,
        /// The revision of the grant.
        token: Revision,
    },
    /// The lock exists, and is of another kind.
    #[error("lock {lock:?} is {kind} while it is held or waited for: it cannot be taken as {asked}")]
    Conflict {
        /// The lock.
        lock: String,
        /// What it is.
        kind: LockKind,
        /// What was asked for.
        asked: LockKind,
    },
    /// The request asked for something else before.
    #[error("request {request} of lease {lease} asked for other locks, or in another way: choose another request")]
    RequestInUse {
        /// The lease.
        lease: LeaseId,
        /// The request.
        request: u64,
    },
    /// Too many wait.
    #[error("{waiting_max} acquisitions wait for lock {lock:?}, which is the limit")]
    TooManyWaiting {
        /// The lock.
        lock: String,
        /// The limit.
        waiting_max: u64,
    },
}
