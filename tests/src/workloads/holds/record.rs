//! What clients do with locks and permits, and what they are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::journal::Operation;
use crate::workloads::leases;

/// How something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Alone.
    Exclusive,
    /// Together with others who want it so.
    Shared,
    /// Some permits of a semaphore.
    Permits {
        /// That it has.
        of: u32,
        /// That are held.
        count: u32,
    },
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    /// The lock.
    pub lock: String,
    /// The lease of its holder.
    pub lease: u64,
    /// Which acquisition of the lease.
    pub request: u64,
    /// The fencing token.
    pub token: u64,
}

/// A call about a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// About the lease that a lock is held under.
    Lease(leases::Call),
    /// Through the SDK, under a session that it renews.
    Acquire {
        /// What.
        lock: String,
        /// How.
        mode: Mode,
        /// Until it is free, for a while.
        wait: bool,
    },
    /// Without the SDK, under a lease that is renewed by its holder alone. It waits if it must.
    Ask {
        /// What.
        lock: String,
        /// How.
        mode: Mode,
        /// Under which lease.
        lease: u64,
        /// Which acquisition of the lease.
        request: u64,
    },
    /// What became of such an acquisition.
    Await {
        /// Of what.
        lock: String,
        /// How it is wanted.
        mode: Mode,
        /// Under which lease.
        lease: u64,
        /// Which acquisition of the lease.
        request: u64,
    },
    /// A key of the store, in one transaction with the fence of the hold.
    Put {
        /// That.
        hold: Hold,
    },
    /// Something outside of the store, which is given the token.
    Write {
        /// By whom.
        hold: Hold,
        /// It refuses tokens that are smaller than the greatest that it has seen.
        fenced: bool,
    },
    /// Whether the hold lives.
    Renew {
        /// That.
        hold: Hold,
    },
    /// It is given back.
    Release {
        /// That.
        hold: Hold,
    },
    /// Somebody else ends it.
    Force {
        /// The lock.
        lock: String,
        /// The token of what is ended.
        token: u64,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Of a call about a lease.
    Lease(leases::Done),
    /// It is held.
    Held {
        /// How.
        hold: Hold,
        /// Until then the holder need not look, by its own clock.
        certain_until: Duration,
    },
    /// It is not held, and will not be by this call.
    Busy,
    /// It is waited for, since this revision.
    Queued {
        /// That.
        revision: u64,
    },
    /// It is waited for still.
    Waiting,
    /// There is no such acquisition: its lease is gone.
    Absent,
    /// The key was written.
    Put {
        /// At this revision.
        revision: u64,
    },
    /// The resource was asked.
    Asked {
        /// As which of all who asked it.
        order: u64,
        /// It took the write.
        accepted: bool,
        /// When the write was asked for, the holder was certain until then, by its own clock.
        certain_until: Duration,
    },
    /// The hold lives.
    Stands {
        /// Until then the holder need not look, by its own clock.
        certain_until: Duration,
    },
    /// It was given back.
    Released,
    /// The hold is over: the call did nothing.
    Fenced,
    /// Holds were ended.
    Forced {
        /// So many.
        holds: u32,
        /// The store was at this revision then.
        revision: u64,
    },
}

/// A call about a lock, and its answer.
pub type HoldOperation = Operation<Call, Done>;

impl Call {
    /// For the demand that every kind succeeds.
    pub fn kind(&self) -> &'static str {
        match self {
            Call::Lease(_) => "lease",
            Call::Acquire { .. } => "acquire",
            Call::Ask { .. } => "ask",
            Call::Await { .. } => "await",
            Call::Put { .. } => "put",
            Call::Write { .. } => "write",
            Call::Renew { .. } => "renew",
            Call::Release { .. } => "release",
            Call::Force { .. } => "force",
        }
    }

    /// What is asked for, and how, if anything is.
    pub fn wanted(&self) -> Option<(&str, Mode)> {
        match self {
            Call::Acquire { lock, mode, .. } | Call::Ask { lock, mode, .. } | Call::Await { lock, mode, .. } => {
                Some((lock, *mode))
            }
            _ => None,
        }
    }
}

impl Done {
    /// A revision that was there when it was answered, and whether it was made by the call and no earlier one.
    pub fn revision(&self) -> Option<(u64, bool)> {
        match self {
            Done::Lease(done) => Some((done.revision()?, true)),
            Done::Put { revision } => Some((*revision, true)),
            // It may have been asked for before, and granted by the release of another.
            Done::Held { hold, .. } => Some((hold.token, false)),
            Done::Queued { revision } | Done::Forced { revision, .. } => Some((*revision, false)),
            _ => None,
        }
    }
}
