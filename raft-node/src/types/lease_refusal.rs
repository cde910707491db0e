//! Why an operation on leases was refused.

use bincode::{Decode, Encode};

use super::LeaseId;

/// Why an operation on leases changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum LeaseRefusal {
    /// No such lease: it never was, was revoked, or has expired.
    #[error("lease {lease} does not exist or has expired")]
    Unknown {
        /// Which.
        lease: LeaseId,
    },
    /// The id that the client chose is in use.
    #[error("lease {lease} exists already")]
    Exists {
        /// Which.
        lease: LeaseId,
    },
    /// Too much would go with the lease.
    #[error("{attached_max} things are attached to lease {lease}, which is the limit: use another lease")]
    Full {
        /// Which.
        lease: LeaseId,
        /// The limit.
        attached_max: u64,
    },
    /// Too many leases live.
    #[error("{leases_max} leases live, which is the limit")]
    TooMany {
        /// The limit.
        leases_max: u64,
    },
    /// Too many bytes would go with the lease.
    #[error("the keys of lease {lease} would have {bytes} bytes; the limit is {bytes_max}: use another lease")]
    TooLarge {
        /// Which.
        lease: LeaseId,
        /// What they would have.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
}
