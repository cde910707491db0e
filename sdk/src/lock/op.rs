//! Locks in transactions.

use quorate_proto::v1;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_result::Result as LockResult;
use quorate_proto::v1::operation::Operation;

use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::IntoBytes;
use crate::txn::Op;

/// Names a hold: who has which lock since which revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockHold {
    /// The lock.
    pub lock: String,
    /// The lease of its holder.
    pub lease: u64,
    /// The fencing token: revision of the grant.
    pub token: u64,
    /// The acquisition of the lease that it was granted to; 0: any with this token.
    pub request: u64,
}

impl LockHold {
    fn to_wire(&self) -> v1::LockHold {
        v1::LockHold {
            lock: self.lock.clone(),
            lease: self.lease,
            token: self.token,
            request: self.request,
        }
    }
}

/// An operation on a lock, for a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in a transaction only"]
pub struct LockOp(v1::LockOperation);

impl LockOp {
    /// Does nothing, and refuses the whole transaction with [`Fenced`](ErrorKind::Fenced) unless the hold lives.
    pub fn fence(hold: &LockHold) -> Self {
        Self::of(LockOperation::Fence(hold.to_wire()))
    }

    /// Ends the hold; refused with [`Fenced`](ErrorKind::Fenced) if it is over.
    pub fn release(hold: &LockHold) -> Self {
        Self::of(LockOperation::Release(hold.to_wire()))
    }

    /// Proclaims another value, at most 4,096 bytes; refused with [`Fenced`](ErrorKind::Fenced) if the hold is over.
    pub fn set_value(hold: &LockHold, value: impl IntoBytes) -> Self {
        Self::of(LockOperation::SetValue(v1::LockSetValue {
            hold: Some(hold.to_wire()),
            value: value.into_bytes(),
        }))
    }

    /// Ends the holds with this token, or (0) all of them; see [`Client::force_release`](crate::Client::force_release).
    pub fn force_release(lock: impl Into<String>, token: u64, reason: impl Into<String>) -> Self {
        Self::of(LockOperation::ForceRelease(v1::LockForceRelease {
            lock: lock.into(),
            token,
            reason: reason.into(),
        }))
    }

    pub(super) fn abandon(lease: u64, request: u64) -> Self {
        Self::of(LockOperation::Abandon(v1::LockAbandon { lease, request }))
    }

    pub(super) fn of(operation: LockOperation) -> Self {
        Self(v1::LockOperation {
            operation: Some(operation),
        })
    }
}

impl From<LockOp> for Op {
    fn from(lock: LockOp) -> Self {
        Op::of(Operation::Lock(lock.0))
    }
}

/// A lock that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockGrant {
    /// The lock.
    pub lock: String,
    /// The fencing token.
    pub token: u64,
}

/// The answer of an operation on locks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockOpReply {
    /// An acquisition holds its locks.
    Granted {
        /// What it holds.
        holds: Vec<LockGrant>,
    },
    /// An acquisition waits.
    Queued {
        /// For this lock.
        lock: String,
        /// At most so many are served before it.
        ahead_max: u64,
    },
    /// A lock was not free, and nothing changed.
    Busy {
        /// The first that was not.
        lock: String,
        /// The lease of one who holds it.
        lease: u64,
        /// The token of that hold.
        token: u64,
    },
    /// Of [`LockOp::release`].
    Released,
    /// An acquisition was given up.
    Abandoned {
        /// Holds that ended with it.
        holds: u32,
        /// It waited.
        waited: bool,
    },
    /// Of [`LockOp::force_release`].
    ForceReleased {
        /// Holds that ended.
        holds: u32,
        /// There are more: one operation ends at most 10,000.
        more: bool,
    },
    /// Of [`LockOp::fence`]: the hold lives.
    Held,
    /// Of [`LockOp::set_value`].
    ValueSet,
}

impl LockOpReply {
    pub(crate) fn from_wire(result: v1::LockResult) -> Result<Self> {
        Ok(match result.result {
            Some(LockResult::Granted(granted)) => Self::Granted {
                holds: grants(granted.holds),
            },
            Some(LockResult::Queued(queued)) => Self::Queued {
                lock: queued.lock,
                ahead_max: queued.ahead_max,
            },
            Some(LockResult::Busy(busy)) => Self::Busy {
                lock: busy.lock,
                lease: busy.lease,
                token: busy.token,
            },
            Some(LockResult::Released(_)) => Self::Released,
            Some(LockResult::Abandoned(abandoned)) => Self::Abandoned {
                holds: abandoned.holds,
                waited: abandoned.waited,
            },
            Some(LockResult::ForceReleased(forced)) => Self::ForceReleased {
                holds: forced.holds,
                more: forced.more,
            },
            Some(LockResult::Held(_)) => Self::Held,
            Some(LockResult::ValueSet(_)) => Self::ValueSet,
            None => {
                let message = "an operation on a lock came back without a result";
                return Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message));
            }
        })
    }
}

pub(super) fn grants(holds: Vec<v1::LockGrant>) -> Vec<LockGrant> {
    let grant = |grant: v1::LockGrant| LockGrant {
        lock: grant.lock,
        token: grant.token,
    };
    holds.into_iter().map(grant).collect()
}
