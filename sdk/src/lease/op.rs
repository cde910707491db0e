//! Leases in transactions.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::lease_operation::Operation as LeaseOperation;
use quorate_proto::v1::lease_result::Result as LeaseResult;
use quorate_proto::v1::operation::Operation;

use crate::consistency::whole_ms;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::txn::Op;

/// An operation on a lease, for a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in a transaction only"]
pub struct LeaseOp(v1::LeaseOperation);

impl LeaseOp {
    /// Grants a lease with this time to live, from 500 ms to a day; the store chooses its id.
    pub fn grant(ttl: Duration) -> Self {
        Self::of(LeaseOperation::Grant(v1::LeaseGrant {
            lease: 0,
            ttl_ms: whole_ms(ttl),
            name: String::new(),
        }))
    }

    /// Ends a lease, and everything that is attached to it.
    pub fn revoke(lease: u64) -> Self {
        Self::of(LeaseOperation::Revoke(v1::LeaseRevoke { lease }))
    }

    pub(crate) fn of(operation: LeaseOperation) -> Self {
        Self(v1::LeaseOperation {
            operation: Some(operation),
        })
    }
}

impl From<LeaseOp> for Op {
    fn from(lease: LeaseOp) -> Self {
        Op::of(Operation::Lease(lease.0))
    }
}

/// The answer of an operation on leases.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseOpReply {
    /// Of [`LeaseOp::grant`].
    Granted {
        /// The lease's id.
        lease: u64,
        /// Its time to live without a renewal.
        ttl: Duration,
    },
    /// Of [`LeaseOp::revoke`].
    Revoked {
        /// Keys, acquisitions, receipts and registrations that went with it.
        attached: u64,
    },
}

impl LeaseOpReply {
    pub(crate) fn from_wire(result: v1::LeaseResult) -> Result<Self> {
        match result.result {
            Some(LeaseResult::Granted(granted)) => Ok(Self::Granted {
                lease: granted.lease,
                ttl: Duration::from_millis(granted.ttl_ms),
            }),
            Some(LeaseResult::Revoked(revoked)) => Ok(Self::Revoked {
                attached: revoked.attached,
            }),
            None => {
                let message = "an operation on a lease came back without a result";
                Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
            }
        }
    }
}
