//! Watchers of keys and of what other workloads do, through the SDK.
//!
//! A watcher asks for keys of this workload, or for locks, queues, leases, workers or tasks, from now on, from the past or from
//! the future; leaves in the middle and goes on elsewhere; reads slowly. What it was told in its life is one operation, which
//! the check of [`watch_check`](crate::watch_check) holds against the log. Others write keys, so that it is known what was
//! acknowledged before a watch began.

mod check;
mod client;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::journal::Operation;
use crate::verdict::Verdict;
use crate::watch_check::{Asked, Incarnation, Truth};

/// What all its keys begin with.
const PREFIX: &str = "watches/";

/// The workload.
#[derive(Debug)]
pub struct Watches;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchesCall {
    /// Writes a key.
    Put {
        /// Which.
        key: String,
        /// Unique in the run.
        value: String,
    },
    /// Deletes a key.
    Delete {
        /// Which.
        key: String,
    },
    /// A watch, from its beginning until it is no longer wanted.
    Watch {
        /// Of what.
        asked: Asked,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchesAnswer {
    /// It was written, or deleted, at this revision.
    Written {
        /// The revision.
        revision: u64,
    },
    /// There was nothing to delete.
    Absent,
    /// What the watch was told.
    Told {
        /// One after the other; each at a member.
        incarnations: Vec<Incarnation>,
        /// It had the time to get everything up to this revision.
        due: u64,
    },
}

impl Workload for Watches {
    const NAME: &'static str = "watches";
    const KINDS: &'static [&'static str] = &["put", "delete", "watch"];
    type Call = WatchesCall;
    type Answer = WatchesAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &WatchesCall) -> &'static str {
        match call {
            WatchesCall::Put { .. } => "put",
            WatchesCall::Delete { .. } => "delete",
            WatchesCall::Watch { .. } => "watch",
        }
    }

    fn needs_majority(call: &WatchesCall) -> bool {
        !matches!(call, WatchesCall::Watch { .. })
    }

    fn check(operations: &[Operation<WatchesCall, WatchesAnswer>], truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth)
    }
}
