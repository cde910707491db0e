//! One promise each, in the one situation in which a known bug would break it.
//!
//! The long runs meet most situations by chance. Some are too rare for that: a vote and a loss of power within a
//! millisecond, a leader that leads a second time, a retry on either side of a snapshot. Here each is brought about on
//! purpose, with real processes and real faults, and what must hold is asked for.

mod claims;
mod eviction;
mod lease;
mod lock;
mod snapshot;
mod vote;

use std::time::Duration;

use crate::HarnessError;

/// Elections, restarts and a slow machine together stay far below.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A member that voted in a term votes for nobody else in it, also after it has lost power.
    Vote,
    /// A lease lives for as long as its client was told that it does, whoever leads.
    Lease,
    /// A lock is granted to nobody whose lease has ended.
    Waiter,
    /// Nothing is written under a hold that is over.
    Fence,
    /// A retry is applied once, also at a member that was given a snapshot between the two attempts.
    Retry,
    /// A claim of an item is the same at a member that was given a snapshot after it.
    Receipt,
    /// An item is acknowledged once.
    Acknowledgement,
    /// Members hold the same entries when nothing is written any more, also where memory was short.
    Eviction,
}

/// How it went, if it went well.
#[derive(Clone, Debug)]
pub enum Kept {
    /// It held; what was seen.
    Kept(String),
    /// This machine cannot bring the situation about; the reason.
    Skipped(String),
}

impl Promise {
    /// Every one.
    pub const ALL: [Promise; 8] = [
        Promise::Vote,
        Promise::Lease,
        Promise::Waiter,
        Promise::Fence,
        Promise::Retry,
        Promise::Receipt,
        Promise::Acknowledgement,
        Promise::Eviction,
    ];

    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Promise::Vote => "vote",
            Promise::Lease => "lease",
            Promise::Waiter => "waiter",
            Promise::Fence => "fence",
            Promise::Retry => "retry",
            Promise::Receipt => "receipt",
            Promise::Acknowledgement => "acknowledgement",
            Promise::Eviction => "eviction",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Promise> {
        Promise::ALL.into_iter().find(|promise| promise.name() == name)
    }

    /// Brings the situation about on a cluster of its own. Fails with [`HarnessError::Broken`] if the promise does not hold.
    pub async fn hold(self) -> Result<Kept, HarnessError> {
        match self {
            Promise::Vote => vote::is_cast_once().await,
            Promise::Lease => lease::outlives_leaders().await,
            Promise::Waiter => lock::is_granted_to_the_living().await,
            Promise::Fence => lock::fences_off_the_dead().await,
            Promise::Retry => snapshot::keeps_retries().await,
            Promise::Receipt => snapshot::keeps_claims().await,
            Promise::Acknowledgement => claims::are_acknowledged_once().await,
            Promise::Eviction => eviction::is_everybodys().await,
        }
    }
}
