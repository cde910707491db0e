//! The calls and operations of queues.

use quorate_proto::v1::{self as proto, Error, ErrorCode};

use super::error::{invalid, refused};
use crate::config::Limits;
use crate::coordination::queues::{QueueOperation, QueueReply};
use crate::signals::Topic;
use crate::storage::{StorageError, View};
use crate::types::QueueRefusal;

/// Checks an operation of a transaction.
pub(super) fn operation(_limits: &Limits, _operation: &proto::QueueOperation) -> Result<QueueOperation, Error> {
    Err(invalid("operation", "an operation is empty"))
}

/// The result of an operation.
pub(super) fn result(reply: QueueReply) -> proto::QueueResult {
    match reply {}
}

/// Checks what a query asks, before it waits for anything.
pub(super) fn check(_query: &proto::QueueQuery) -> Result<(), Error> {
    Err(invalid("query", "the query is empty"))
}

/// Answers a query that was checked.
pub(super) fn query(_view: &dyn View, _query: &proto::QueueQuery) -> Result<proto::QueueAnswer, StorageError> {
    Ok(proto::QueueAnswer::default())
}

/// What a refusal is on the wire.
pub(super) fn refusal(refusal: &QueueRefusal) -> Error {
    match refusal {
        QueueRefusal::UnknownQueue { .. } => refused(ErrorCode::UnknownQueue, refusal.to_string()),
    }
}

/// What a query waits for.
pub(super) fn topic(_query: &proto::QueueQuery) -> Option<Topic> {
    None
}

/// What a query waits for has come.
pub(super) fn settled(_view: &dyn View, _query: &proto::QueueQuery) -> Result<bool, StorageError> {
    Ok(true)
}
