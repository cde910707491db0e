//! Why an operation on locks was refused.

use bincode::{Decode, Encode};

use super::{LeaseId, Revision};

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
}
