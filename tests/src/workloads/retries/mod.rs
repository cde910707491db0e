//! Calls whose replies are lost, and which the SDK repeats.
//!
//! Clients reach the leader through a relay that swallows replies for a moment. Meanwhile each makes a call that is not
//! harmless when it is done twice: it writes keys of its own. A repeated call must be found to be the same, and its answer be
//! that of the first time: nothing is applied twice, and a swap that won does not lose to itself.

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
const PREFIX: &str = "retries/";

/// The workload.
#[derive(Debug)]
pub struct Retries;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryCall {
    /// Writes the key of the client.
    Put {
        /// Unique in the run.
        value: String,
    },
    /// Writes the key of the client, which nobody else does, if its modification revision is this; it is, as far as the
    /// client can know.
    Swap {
        /// Unique in the run.
        value: String,
        /// Its modification revision.
        expected: u64,
    },
    /// Writes the key of the client and one more, in a transaction without a condition.
    Transaction {
        /// Unique in the run.
        value: String,
    },
    /// The relay swallows replies; this is no call of a client, and done if something was swallowed.
    LoseReplies,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAnswer {
    /// It was written.
    Written {
        /// The revision that it made.
        revision: u64,
    },
    /// The compare did not hold.
    Unchanged {
        /// The revision at which it did not.
        revision: u64,
    },
    /// Replies were lost.
    Lost {
        /// How much was swallowed.
        bytes: u64,
        /// How often the clients repeated a call meanwhile.
        retries: u64,
    },
}

impl Workload for Retries {
    const NAME: &'static str = "retries";
    const KINDS: &'static [&'static str] = &["put", "swap", "transaction", "lose-replies"];
    type Call = RetryCall;
    type Answer = RetryAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &RetryCall) -> &'static str {
        match call {
            RetryCall::Put { .. } => "put",
            RetryCall::Swap { .. } => "swap",
            RetryCall::Transaction { .. } => "transaction",
            RetryCall::LoseReplies => "lose-replies",
        }
    }

    fn needs_majority(call: &RetryCall) -> bool {
        !matches!(call, RetryCall::LoseReplies)
    }

    fn check(operations: &[Operation<RetryCall, RetryAnswer>], truth: &Truth, _facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth)
    }
}

/// The key of a client.
fn key(client: u64) -> String {
    format!("{PREFIX}{client}")
}

/// What a transaction of a client writes besides.
fn other_key(client: u64) -> String {
    format!("{PREFIX}{client}/other")
}
