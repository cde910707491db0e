//! Refusals on the wire.

use quorate_proto::v1::{Error, ErrorCode};

use crate::grpc::error::refused;
use crate::types::QueueRefusal;

/// What a refusal is on the wire.
pub(in crate::grpc) fn refusal(refusal: &QueueRefusal) -> Error {
    let base = |code| refused(code, refusal.to_string());
    let of = |field: &str, code| Error {
        field: field.into(),
        ..base(code)
    };
    match refusal {
        QueueRefusal::UnknownQueue { .. } => of("queue", ErrorCode::UnknownQueue),
        QueueRefusal::TooManyQueues { queues_max } => Error {
            limit: *queues_max,
            value: *queues_max,
            ..of("queue", ErrorCode::LimitReached)
        },
        QueueRefusal::Full { depth, depth_max, .. } => Error {
            limit: *depth_max,
            value: *depth,
            ..of("queue", ErrorCode::QueueFull)
        },
        QueueRefusal::NotEmpty { items, .. } => Error {
            value: *items,
            ..of("queue", ErrorCode::QueueNotEmpty)
        },
        QueueRefusal::UnknownItem { item, .. } => Error {
            value: *item,
            ..of("item", ErrorCode::UnknownItem)
        },
        QueueRefusal::ClaimTimedOut { token, .. }
        | QueueRefusal::ClaimedByAnother { token, .. }
        | QueueRefusal::ClaimOver { token, .. } => Error {
            value: token.0,
            ..of("receipt", ErrorCode::Fenced)
        },
        QueueRefusal::NotDead { item, .. } => Error {
            value: *item,
            ..of("item", ErrorCode::Conflict)
        },
        QueueRefusal::TooManyDedupeKeys { keys_max, .. } => Error {
            limit: *keys_max,
            value: *keys_max,
            ..of("items.dedupe_key", ErrorCode::LimitReached)
        },
        QueueRefusal::Changed { found, .. } => Error {
            value: found.0,
            ..of("expected_revision", ErrorCode::Conflict)
        },
        QueueRefusal::NotReady { item, .. } | QueueRefusal::NotClaimed { item, .. } => Error {
            value: *item,
            ..of("item", ErrorCode::Conflict)
        },
        QueueRefusal::Paused { .. } => of("claim", ErrorCode::LimitReached),
        QueueRefusal::TooManyClaims { claims, claims_max, .. } => Error {
            limit: *claims_max,
            value: *claims,
            ..of("claim", ErrorCode::LimitReached)
        },
    }
}
