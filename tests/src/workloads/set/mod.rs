//! Sets to which elements are added, and which are read as a whole.
//!
//! An element is a key, and a read is a range. What was added is in every read that began later, and what one read has seen
//! is in every later one. This much is checked by times alone, without a look at the log or at revisions; then each read is
//! held against the log too.

mod check;
mod client;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::journal::Operation;
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What all its keys begin with.
const PREFIX: &str = "set/";

/// The workload.
#[derive(Debug)]
pub struct Set;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetCall {
    /// Adds an element.
    Add {
        /// To which set.
        set: u64,
        /// Unique in the run.
        element: u64,
    },
    /// Reads every element, linearizably.
    Read {
        /// Of which set.
        set: u64,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAnswer {
    /// It was added.
    Added {
        /// The revision that did.
        revision: u64,
    },
    /// What was read.
    Read {
        /// The revision at which it was so.
        revision: u64,
        /// Every element, in order.
        elements: Vec<u64>,
    },
}

impl Workload for Set {
    const NAME: &'static str = "set";
    const KINDS: &'static [&'static str] = &["add", "read"];
    type Call = SetCall;
    type Answer = SetAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &SetCall) -> &'static str {
        match call {
            SetCall::Add { .. } => "add",
            SetCall::Read { .. } => "read",
        }
    }

    fn check(operations: &[Operation<SetCall, SetAnswer>], truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth)
    }
}

/// What the keys of a set begin with.
fn prefix(set: u64) -> String {
    format!("{PREFIX}{set:06}/")
}

/// The key of an element; sorted as the elements are.
fn key(set: u64, element: u64) -> String {
    format!("{}{element:010}", prefix(set))
}

/// The element of a key.
fn element(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key).ok()?.rsplit('/').next()?.parse().ok()
}
