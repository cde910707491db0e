//! What clients do with queues, and what they are told.

use serde::{Deserialize, Serialize};

use crate::journal::Operation;
use crate::workloads::leases;

/// What is pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Unique in the run; also its dedupe key.
    pub payload: String,
    /// Higher goes first.
    pub priority: u8,
    /// Its group.
    pub group: String,
    /// It cannot be claimed before, in milliseconds.
    pub delay_ms: u64,
}

/// A right to say what becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    /// The item.
    pub item: u64,
    /// Of the claim.
    pub token: u64,
}

/// An item that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The right to it.
    pub receipt: Receipt,
    /// Which claim of it this is, from 1.
    pub attempt: u32,
    /// What it is.
    pub payload: String,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
}

/// A call about the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// About the lease that items are claimed under.
    Lease(leases::Call),
    /// These come, all at one revision.
    Push {
        /// Those.
        items: Vec<Work>,
    },
    /// Whatever is next.
    Claim {
        /// At most so many.
        count: u32,
        /// For so long, in milliseconds.
        visibility_ms: u64,
        /// The claims end with it; 0: with no lease.
        lease: u64,
    },
    /// A claim is to last longer.
    Extend {
        /// Which.
        receipt: Receipt,
        /// From now on, in milliseconds.
        visibility_ms: u64,
    },
    /// An item is done, and that is recorded under its id in the same transaction.
    Ack {
        /// By whom.
        receipt: Receipt,
    },
    /// An item is given back.
    Nack {
        /// By whom.
        receipt: Receipt,
        /// It cannot be claimed before, in milliseconds.
        delay_ms: u64,
        /// It goes to the dead letters.
        dead: bool,
    },
    /// Dead letters are to be claimed again.
    Redrive {
        /// At most so many.
        count: u32,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Of a call about a lease.
    Lease(leases::Done),
    /// The items are there.
    Pushed {
        /// Their ids, and whether each was there before.
        items: Vec<(u64, bool)>,
        /// The store was at this revision then.
        revision: u64,
    },
    /// They are claimed; there may be none.
    Claimed {
        /// Those.
        items: Vec<Claimed>,
        /// For so long from the call on, in milliseconds.
        visibility_ms: u64,
        /// The store was at this revision then.
        revision: u64,
    },
    /// The claim lasts longer.
    Extended {
        /// So long from the call on, in milliseconds.
        visibility_ms: u64,
    },
    /// It is done.
    Acked {
        /// At this revision.
        revision: u64,
    },
    /// It is back.
    Nacked {
        /// At this revision.
        revision: u64,
    },
    /// They can be claimed again.
    Redriven {
        /// So many.
        items: u32,
    },
    /// The claim is over: the call did nothing.
    Fenced,
    /// The item is gone: the call did nothing.
    Gone,
    /// The lease does not live: the call did nothing.
    NoLease,
}

/// A call about the queue, and its answer.
pub type QueueOperation = Operation<Call, Done>;

impl Call {
    /// For the demand that every kind succeeds.
    pub fn kind(&self) -> &'static str {
        match self {
            Call::Lease(_) => "lease",
            Call::Push { .. } => "push",
            Call::Claim { .. } => "claim",
            Call::Extend { .. } => "extend",
            Call::Ack { .. } => "ack",
            Call::Nack { .. } => "nack",
            Call::Redrive { .. } => "redrive",
        }
    }
}

impl Done {
    /// A revision that was there when it was answered, and whether it was made by the call.
    pub fn revision(&self) -> Option<(u64, bool)> {
        match self {
            Done::Lease(done) => Some((done.revision()?, true)),
            Done::Acked { revision } | Done::Nacked { revision } => Some((*revision, true)),
            // A claim of nothing makes no revision, and neither does a push of what is there.
            Done::Claimed { revision, .. } | Done::Pushed { revision, .. } => Some((*revision, false)),
            _ => None,
        }
    }
}
