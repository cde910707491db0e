//! What stops the node.

use crate::codec::CodecError;
use crate::mvcc::Failure;
use crate::storage::StorageError;
use crate::types::{Rejection, Revision};

use super::reply::Reply;

/// The state machine cannot go on. Skipping the entry would fork the replicas, so the node stops.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The store failed or is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An entry of the log is damaged, or was written by a newer version.
    #[error("log entry {index} cannot be applied: {source}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        source: CodecError,
    },
    /// A rule that holds for every entry was broken.
    #[error("log entry {index} cannot be applied: {reason}")]
    Rule {
        /// Its index.
        index: u64,
        /// Which rule.
        reason: String,
    },
    /// A record could not be encoded.
    #[error("encoding: {0}")]
    Encoding(#[from] CodecError),
    /// An earlier call failed; memory and disk may differ.
    #[error("the state machine failed before; the node must restart")]
    FailedBefore,
}

/// The answer of a refused command; fails where the failure is no refusal.
pub fn rejected(failure: Failure, revision: Revision) -> Result<Reply, Fatal> {
    match failure {
        Failure::Rejected(rejection) => Ok(refusal(rejection, revision)),
        Failure::Storage(error) => Err(error.into()),
    }
}

/// The answer of a refused command.
pub fn refusal(rejection: Rejection, revision: Revision) -> Reply {
    Reply::Rejected { rejection, revision }
}
