//! The calls and operations of locks.

mod check;
mod query;

#[cfg(test)]
mod tests;

use quorate_proto::v1::{self as proto, Error, ErrorCode, lock_result};

pub(super) use self::check::{operation, query as check};
pub(super) use self::query::{query, settled, topic};
use super::error::refused;
use crate::coordination::locks::{Grant, LockReply};
use crate::types::LockRefusal;

/// The result of an operation.
pub(super) fn result(reply: LockReply) -> proto::LockResult {
    use lock_result::Result;
    let result = match reply {
        LockReply::Granted { holds } => Result::Granted(proto::LockGranted { holds: grants(holds) }),
        LockReply::Queued { lock, ahead_max } => Result::Queued(proto::LockQueued { lock, ahead_max }),
        LockReply::Busy { lock, holder, token } => Result::Busy(proto::LockBusy {
            lock,
            lease: holder.0,
            token: token.0,
        }),
        LockReply::Released => Result::Released(proto::LockReleased {}),
        LockReply::Abandoned { holds, waited } => Result::Abandoned(proto::LockAbandoned { holds, waited }),
        LockReply::ForceReleased { holds, more } => Result::ForceReleased(proto::LockForceReleased { holds, more }),
        LockReply::Held => Result::Held(proto::LockHeld {}),
        LockReply::ValueSet => Result::ValueSet(proto::LockValueSet {}),
    };
    proto::LockResult { result: Some(result) }
}

fn grants(holds: Vec<Grant>) -> Vec<proto::LockGrant> {
    let grant = |grant: Grant| proto::LockGrant {
        lock: grant.lock,
        token: grant.token.0,
    };
    holds.into_iter().map(grant).collect()
}

/// What a refusal is on the wire.
pub(super) fn refusal(refusal: &LockRefusal) -> Error {
    let base = |code| refused(code, refusal.to_string());
    match refusal {
        LockRefusal::NotHeld { token, .. } => Error {
            field: "token".into(),
            value: token.0,
            ..base(ErrorCode::Fenced)
        },
        LockRefusal::Conflict { .. } => Error {
            field: "names".into(),
            ..base(ErrorCode::LockConflict)
        },
        LockRefusal::RequestInUse { request, .. } => Error {
            field: "request".into(),
            value: *request,
            ..base(ErrorCode::LockConflict)
        },
        LockRefusal::TooManyWaiting { waiting_max, .. } => Error {
            field: "names".into(),
            limit: *waiting_max,
            value: *waiting_max,
            ..base(ErrorCode::LimitReached)
        },
    }
}
