//! The eventual tier goes on wherever a member can be reached.
//!
//! Clients add elements to sets and numbers to counters, waiting for one member or for two; others take what they have seen from
//! member to member. In the end every member is read, and all must have the same.
//!
//! | property | what it says |
//! |---|---|
//! | *equal* | every member has the same at the end |
//! | *kept* | an element that two members had acknowledged is there, unless two of them died before either may have had it on disk |
//! | *counted* | a counter is not below what was kept so, and not above what was tried |
//! | *real* | nothing is there that nobody wrote |
//! | *session* | a client that takes its token along reads what it wrote, and nothing older than it read before |

mod check;
mod client;
mod finish;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::journal::Operation;
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What all its keys begin with.
const PREFIX: &str = "eventual/";

/// The workload.
#[derive(Debug)]
pub struct Eventual;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventualCall {
    /// Adds an element to a set.
    Insert {
        /// Which set.
        set: u64,
        /// Unique in the run.
        element: u64,
    },
    /// Adds to a counter.
    Add {
        /// Which counter.
        counter: u64,
        /// How much; more than 0.
        number: i64,
    },
    /// Writes the number of the client, which is the only one to write it, at some member.
    Raise {
        /// Greater than all before.
        number: u64,
    },
    /// Reads the number of the client at some member, with what it has seen elsewhere.
    Read,
    /// Reads everything of one member, at the end.
    All {
        /// Where it is.
        endpoint: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventualAnswer {
    /// So many members have it, that which answered included.
    Acked {
        /// How many.
        members: u32,
    },
    /// What was read; 0 for nothing.
    Number {
        /// The number.
        number: u64,
    },
    /// What a member has.
    All {
        /// The elements of each set.
        sets: BTreeMap<u64, Vec<u64>>,
        /// The sum of each counter.
        counters: BTreeMap<u64, i64>,
    },
}

impl Workload for Eventual {
    const NAME: &'static str = "eventual";
    const KINDS: &'static [&'static str] = &["insert", "add", "raise", "read"];
    type Call = EventualCall;
    type Answer = EventualAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    async fn finish(ground: Ground) -> Result<(), HarnessError> {
        finish::finish(ground).await
    }

    fn kind(call: &EventualCall) -> &'static str {
        match call {
            EventualCall::Insert { .. } => "insert",
            EventualCall::Add { .. } => "add",
            EventualCall::Raise { .. } => "raise",
            EventualCall::Read => "read",
            EventualCall::All { .. } => "all",
        }
    }

    fn needs_majority(_call: &EventualCall) -> bool {
        false
    }

    fn check(operations: &[Operation<EventualCall, EventualAnswer>], _truth: &Truth, facts: &Facts<'_>) -> Verdict {
        check::check(operations, facts)
    }
}

fn set_key(set: u64) -> String {
    format!("{PREFIX}set/{set:06}")
}

fn counter_key(counter: u64) -> String {
    format!("{PREFIX}counter/{counter:06}")
}

/// The number at the end of a key.
fn number_of(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key).ok()?.rsplit('/').next()?.parse().ok()
}
