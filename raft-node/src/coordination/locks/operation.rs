//! What can be asked of locks.

use bincode::{Decode, Encode};

use super::{abandon, acquire, fence, force_release, release, set_value};
use crate::mvcc::{Edit, Failure};
use crate::types::{LeaseId, Revision, Share};

/// An operation on locks.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockOperation {
    /// Takes locks, or waits for them.
    Acquire(Acquire),
    /// Ends a hold.
    Release(Hold),
    /// Ends an acquisition, wherever it waits and whatever it holds. Never refused.
    Abandon {
        /// Whose.
        lease: LeaseId,
        /// Which of the lease's.
        request: u64,
    },
    /// Ends the holds of others.
    ForceRelease {
        /// The lock.
        lock: String,
        /// Those with this token; none: all of them.
        token: Option<Revision>,
        /// For people.
        reason: String,
    },
    /// Does nothing, and is refused unless the hold lives: whatever else is in the transaction is fenced by it.
    Fence(Hold),
    /// Proclaims another value.
    SetValue {
        /// A hold of the acquisition whose value it is.
        hold: Hold,
        /// The value.
        value: Vec<u8>,
    },
}

/// Asks for locks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Acquire {
    /// What the holds share their life with.
    pub lease: LeaseId,
    /// Chosen by the client, unique within the lease, at least 1.
    pub request: u64,
    /// Sorted, each once.
    pub names: Vec<String>,
    /// How much of each.
    pub share: Share,
    /// What a holder proclaims; may be empty.
    pub value: Vec<u8>,
    /// Queue for what is not free.
    pub wait: bool,
}

/// Names a hold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hold {
    /// The lock.
    pub lock: String,
    /// Who holds it.
    pub lease: LeaseId,
    /// Revision of the grant.
    pub token: Revision,
    /// The request that it was granted to. Without it, any of the lease's with that token is meant: a lease can get
    /// several permits of a semaphore at one revision.
    pub request: Option<u64>,
}

/// A hold that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// The lock.
    pub lock: String,
    /// The fencing token: revision of the grant.
    pub token: Revision,
}

/// The answer of an operation on locks.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockReply {
    /// The acquisition holds all its locks, less what was released of them.
    Granted {
        /// What it holds.
        holds: Vec<Grant>,
    },
    /// The acquisition waits.
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
        /// One who holds it.
        holder: LeaseId,
        /// The token of that hold.
        token: Revision,
    },
    /// The hold has ended.
    Released,
    /// The acquisition has ended, if there was one.
    Abandoned {
        /// Holds that ended with it.
        holds: u32,
        /// It waited.
        waited: bool,
    },
    /// Holds were ended.
    ForceReleased {
        /// How many.
        holds: u32,
        /// There are more: one operation ends a limited number.
        more: bool,
    },
    /// The hold lives.
    Held,
    /// The value is set.
    ValueSet,
}

impl LockOperation {
    /// It needs room on the disks.
    pub fn grows(&self) -> bool {
        matches!(self, LockOperation::Acquire(_) | LockOperation::SetValue { .. })
    }
}

/// Does the operation.
pub fn operate(edit: &mut Edit<'_>, operation: LockOperation) -> Result<LockReply, Failure> {
    match operation {
        LockOperation::Acquire(asked) => acquire::acquire(edit, asked),
        LockOperation::Release(hold) => release::release(edit, &hold),
        LockOperation::Abandon { lease, request } => abandon::abandon(edit, lease, request),
        LockOperation::ForceRelease { lock, token, reason } => force_release::force_release(edit, &lock, token, reason),
        LockOperation::Fence(hold) => fence::fence(edit, &hold),
        LockOperation::SetValue { hold, value } => set_value::set_value(edit, &hold, value),
    }
}
