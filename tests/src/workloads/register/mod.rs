//! Registers: single keys that are written, compared and swapped, deleted and read.
//!
//! Values are unique in the run. Each key is used some two hundred times by ten clients, which keeps a search for
//! linearizations possible; then the next one takes its place.

mod check;
mod client;
mod search;

#[cfg(test)]
mod tests;

pub use check::registers;

use serde::{Deserialize, Serialize};

use super::{Facts, Ground, Workload};
use crate::HarnessError;
use crate::journal::{Operation, Text};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What all its keys begin with.
const PREFIX: &str = "register/";

/// The workload.
#[derive(Debug)]
pub struct Register;

/// What is asked of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterCall {
    /// Writes it.
    Put {
        /// The key.
        key: Text,
        /// Unique in the run.
        value: Text,
    },
    /// Writes it if its modification revision is still `expected`; 0: if it does not exist.
    Swap {
        /// The key.
        key: Text,
        /// Its modification revision.
        expected: u64,
        /// Unique in the run.
        value: Text,
    },
    /// Deletes it.
    Delete {
        /// The key.
        key: Text,
    },
    /// Reads it, linearizably.
    Get {
        /// The key.
        key: Text,
    },
    /// Reads it as some member has it, never older than what the client has seen.
    GetLocal {
        /// The key.
        key: Text,
    },
}

/// A key that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRecord {
    /// Its value.
    pub value: Text,
    /// The revision that wrote it.
    pub mod_revision: u64,
    /// 1 after creation; counts writes since.
    pub version: u64,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterAnswer {
    /// Written, or deleted.
    Written {
        /// The revision that it made.
        revision: u64,
    },
    /// The compare did not hold, or there was nothing to delete.
    Unchanged {
        /// The revision at which that was so.
        revision: u64,
        /// The key as the answer shows it.
        current: Option<RegisterRecord>,
    },
    /// What was read.
    Read {
        /// The revision at which it was so.
        revision: u64,
        /// The key, if it existed.
        record: Option<RegisterRecord>,
    },
}

impl Workload for Register {
    const NAME: &'static str = "register";
    const KINDS: &'static [&'static str] = &["put", "swap", "delete", "get", "get-local"];
    type Call = RegisterCall;
    type Answer = RegisterAnswer;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        client::run(ground).await
    }

    fn kind(call: &RegisterCall) -> &'static str {
        match call {
            RegisterCall::Put { .. } => "put",
            RegisterCall::Swap { .. } => "swap",
            RegisterCall::Delete { .. } => "delete",
            RegisterCall::Get { .. } => "get",
            RegisterCall::GetLocal { .. } => "get-local",
        }
    }

    fn needs_majority(call: &RegisterCall) -> bool {
        !matches!(call, RegisterCall::GetLocal { .. })
    }

    fn check(operations: &[Operation<RegisterCall, RegisterAnswer>], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        check::check(operations, truth, facts.header.base_revision)
    }
}
