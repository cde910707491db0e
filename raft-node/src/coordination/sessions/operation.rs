//! What can be asked of leases.

use bincode::{Decode, Encode};

use super::end::{Ending, end};
use super::grant::grant;
use crate::mvcc::{Edit, Failure};
use crate::types::LeaseId;

/// An operation on a lease.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseOperation {
    /// Grants a lease.
    Grant {
        /// The id that the client chose; none: the store chooses.
        lease: Option<LeaseId>,
        /// Time to live without a renewal, in milliseconds.
        ttl_ms: u64,
        /// For people.
        name: String,
    },
    /// Ends a lease, and everything attached to it with it.
    Revoke {
        /// Which.
        lease: LeaseId,
    },
}

impl LeaseOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        matches!(self, LeaseOperation::Grant { .. })
    }
}

/// The answer of an operation on a lease.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseReply {
    /// It lives from now on.
    Granted {
        /// Its id.
        lease: LeaseId,
        /// Time to live without a renewal, in milliseconds.
        ttl_ms: u64,
    },
    /// It has ended.
    Revoked {
        /// How many things went with it.
        attached: u64,
    },
}

/// Does the operation.
pub fn operate(edit: &mut Edit<'_>, operation: LeaseOperation) -> Result<LeaseReply, Failure> {
    match operation {
        LeaseOperation::Grant { lease, ttl_ms, name } => grant(edit, lease, ttl_ms, name),
        LeaseOperation::Revoke { lease } => Ok(LeaseReply::Revoked {
            attached: end(edit, lease, Ending::Revoked)?,
        }),
    }
}
