//! Lists to which transactions append, and which they read: several keys at once.
//!
//! A transaction has up to four steps, each of which reads a list or appends an element to one. A list is one value, so that
//! a transaction that appends compares the revision of the list that it makes longer, and is not applied if another was
//! faster; then it answers with the lists as they are. Elements are unique in the run. From a list one sees in which order
//! all its versions came, and so which transaction must have come before which other.

mod check;
mod circles;
mod client;

#[cfg(test)]
mod tests;

pub use circles::transactions;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::journal::Operation;
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What all its keys begin with.
const PREFIX: &str = "append/";

/// The workload.
#[derive(Debug)]
pub struct Append;

/// A step of a transaction. Steps see what the steps before them did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reads a list.
    Read {
        /// Its key.
        key: String,
    },
    /// Appends to a list; at most once in a transaction to the same.
    Append {
        /// Its key.
        key: String,
        /// Unique in the run.
        element: u64,
        /// The modification revision that the key must have; 0: it must not exist.
        expected: u64,
    },
}

impl Step {
    /// The key.
    pub fn key(&self) -> &str {
        match self {
            Step::Read { key } | Step::Append { key, .. } => key,
        }
    }
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendCall {
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendAnswer {
    /// Of which it speaks; made by it if anything was appended.
    pub revision: u64,
    /// Every compare held. Otherwise nothing was appended.
    pub applied: bool,
    /// What was read. Of a transaction that was applied: for each step that reads, the list. Of one that was not: for each
    /// step, the list as it was.
    pub lists: Vec<List>,
}

/// A list as it was read; empty where there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Its elements, in the order in which they were appended.
    pub elements: Vec<u64>,
    /// The revision that wrote it; 0: it did not exist.
    pub mod_revision: u64,
}

impl Workload for Append {
    const NAME: &'static str = "append";
    const KINDS: &'static [&'static str] = &["read", "append"];
    type Call = AppendCall;
    type Answer = AppendAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &AppendCall) -> &'static str {
        match call.steps.iter().any(|step| matches!(step, Step::Append { .. })) {
            true => "append",
            false => "read",
        }
    }

    fn check(operations: &[Operation<AppendCall, AppendAnswer>], truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth).and(circles::check(operations))
    }
}

/// A list as a value.
fn shown(elements: &[u64]) -> String {
    let elements: Vec<String> = elements.iter().map(u64::to_string).collect();
    elements.join(",")
}

/// The list that a value is, if it is one.
fn parsed(value: &[u8]) -> Option<Vec<u64>> {
    let text = std::str::from_utf8(value).ok()?;
    text.split(',').map(|element| element.parse().ok()).collect()
}
