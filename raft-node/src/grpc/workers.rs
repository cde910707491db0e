//! The calls and operations of workers.

use quorate_proto::v1::{self as proto, Error, ErrorCode};

use super::error::{invalid, refused};
use crate::config::Limits;
use crate::coordination::workers::{WorkerOperation, WorkerReply};
use crate::signals::Topic;
use crate::storage::{StorageError, View};
use crate::types::WorkerRefusal;

/// Checks an operation of a transaction.
pub(super) fn operation(_limits: &Limits, _operation: &proto::WorkerOperation) -> Result<WorkerOperation, Error> {
    Err(invalid("operation", "an operation is empty"))
}

/// The result of an operation.
pub(super) fn result(reply: WorkerReply) -> proto::WorkerResult {
    match reply {}
}

/// Checks what a query asks, before it waits for anything.
pub(super) fn check(_query: &proto::WorkerQuery) -> Result<(), Error> {
    Err(invalid("query", "the query is empty"))
}

/// Answers a query that was checked.
pub(super) fn query(_view: &dyn View, _query: &proto::WorkerQuery) -> Result<proto::WorkerAnswer, StorageError> {
    Ok(proto::WorkerAnswer::default())
}

/// What a refusal is on the wire.
pub(super) fn refusal(refusal: &WorkerRefusal) -> Error {
    match refusal {
        WorkerRefusal::UnknownWorker { .. } => refused(ErrorCode::UnknownWorker, refusal.to_string()),
    }
}

/// What a query waits for.
pub(super) fn topic(_query: &proto::WorkerQuery) -> Option<Topic> {
    None
}

/// What a query waits for has come.
pub(super) fn settled(_view: &dyn View, _query: &proto::WorkerQuery) -> Result<bool, StorageError> {
    Ok(true)
}
