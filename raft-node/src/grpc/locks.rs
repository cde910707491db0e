//! The calls and operations of locks.

use quorate_proto::v1::{self as proto, Error, ErrorCode};

use super::error::{invalid, refused};
use crate::config::Limits;
use crate::coordination::locks::{LockOperation, LockReply};
use crate::signals::Topic;
use crate::storage::{StorageError, View};
use crate::types::LockRefusal;

/// Checks an operation of a transaction.
pub(super) fn operation(_limits: &Limits, _operation: &proto::LockOperation) -> Result<LockOperation, Error> {
    Err(invalid("operation", "an operation is empty"))
}

/// The result of an operation.
pub(super) fn result(reply: LockReply) -> proto::LockResult {
    match reply {}
}

/// Checks what a query asks, before it waits for anything.
pub(super) fn check(_query: &proto::LockQuery) -> Result<(), Error> {
    Err(invalid("query", "the query is empty"))
}

/// Answers a query that was checked.
pub(super) fn query(_view: &dyn View, _query: &proto::LockQuery) -> Result<proto::LockAnswer, StorageError> {
    Ok(proto::LockAnswer::default())
}

/// What a refusal is on the wire.
pub(super) fn refusal(refusal: &LockRefusal) -> Error {
    match refusal {
        LockRefusal::NotHeld { .. } => refused(ErrorCode::Fenced, refusal.to_string()),
    }
}

/// What a query waits for.
pub(super) fn topic(_query: &proto::LockQuery) -> Option<Topic> {
    None
}

/// What a query waits for has come.
pub(super) fn settled(_view: &dyn View, _query: &proto::LockQuery) -> Result<bool, StorageError> {
    Ok(true)
}
