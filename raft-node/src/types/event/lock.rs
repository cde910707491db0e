//! What happens to locks.

use bincode::{Decode, Encode};

use crate::types::{LeaseId, Revision, Share};

/// What happens to locks, semaphores and elections. Each event is of one hold; whoever waits has none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LockEvent {
    /// Somebody holds it from now on. What the holder proclaims can be read.
    Acquired {
        /// Whose hold it is.
        lease: LeaseId,
        /// Which acquisition of the lease's.
        request: u64,
        /// The fencing token.
        token: Revision,
        /// How much of it.
        share: Share,
        /// It stood in the queue of this lock before.
        waited: bool,
    },
    /// A hold is over.
    Freed {
        /// Whose hold it was.
        lease: LeaseId,
        /// Which acquisition of the lease's.
        request: u64,
        /// The fencing token, which is worth nothing from now on.
        token: Revision,
        /// Why.
        why: HoldEnd,
    },
    /// The holder proclaims something else, or nothing any more; what, can be read.
    ValueSet {
        /// Whose hold it is.
        lease: LeaseId,
        /// Which acquisition of the lease's.
        request: u64,
        /// The fencing token.
        token: Revision,
    },
}

/// Why a hold ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HoldEnd {
    /// Its holder wanted it, or gave up the acquisition that it was part of.
    Released,
    /// Its lease has ended.
    LeaseEnded,
    /// Somebody else wanted it.
    Forced {
        /// For people.
        reason: String,
    },
    /// The acquisition that it was part of could not wait for its next lock: that had become one of another kind, or too
    /// many waited for it.
    Refused,
}

impl LockEvent {
    /// Bytes beside those of the enum itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            LockEvent::Freed {
                why: HoldEnd::Forced { reason },
                ..
            } => reason.len(),
            LockEvent::Acquired { .. } | LockEvent::Freed { .. } | LockEvent::ValueSet { .. } => 0,
        }
    }
}
