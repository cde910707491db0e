//! Counters: incremented by transactions that compare what they have read, half of them its revision, half its value.
//!
//! Every increment has an amount of its own, so that the log tells which ones were done, and a sum which ones it is of.

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
const PREFIX: &str = "counter/";

/// The workload.
#[derive(Debug)]
pub struct Counter;

/// What is asked of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterCall {
    /// Adds to it, if it has not changed meanwhile.
    Increment {
        /// Which.
        counter: u64,
        /// How much; unique in the run.
        by: u64,
        /// As it was read.
        from: Count,
        /// Its value is compared, and otherwise its modification revision.
        by_value: bool,
    },
    /// Reads it, linearizably.
    Read {
        /// Which.
        counter: u64,
    },
}

/// A counter at some revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// 0 where it does not exist.
    pub value: u64,
    /// 0 where it does not exist.
    pub mod_revision: u64,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterAnswer {
    /// Of which it speaks; made by it if it added.
    pub revision: u64,
    /// It added. Not so if it had changed meanwhile, nor of reads.
    pub added: bool,
    /// The counter afterwards.
    pub count: Count,
}

impl Workload for Counter {
    const NAME: &'static str = "counter";
    const KINDS: &'static [&'static str] = &["increment", "increment-by-value", "read"];
    type Call = CounterCall;
    type Answer = CounterAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    /// Reads every counter: it must be the sum of all that was acknowledged, and of some that was not.
    async fn finish(ground: Ground) -> Result<(), HarnessError> {
        client::finish(ground).await
    }

    fn kind(call: &CounterCall) -> &'static str {
        match call {
            CounterCall::Increment { by_value: false, .. } => "increment",
            CounterCall::Increment { by_value: true, .. } => "increment-by-value",
            CounterCall::Read { .. } => "read",
        }
    }

    fn check(operations: &[Operation<CounterCall, CounterAnswer>], truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth)
    }
}

fn key(counter: u64) -> String {
    format!("{PREFIX}{counter}")
}

/// What is no number is one that nobody has counted to.
fn value(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
