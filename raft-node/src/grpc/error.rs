//! The one place that turns what went wrong into the wire's [`Error`] and into a `tonic::Status`.

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1::{Error, ErrorCode, MemberAddress, Outcome};
use tonic::{Code, Status};

use super::{leases, locks, queues, workers};
use crate::consensus::network::Roster;
use crate::consensus::{KeepAliveError, MembershipError, ProposeError, ReadError};
use crate::types::{ActorRefusal, DomainRefusal, MemberId, Rejection};

/// An error that the caller made or met before anything was proposed.
pub(super) fn refused(code: ErrorCode, message: impl Into<String>) -> Error {
    Error {
        code: code.into(),
        message: message.into(),
        outcome: Outcome::NotApplied.into(),
        ..Error::default()
    }
}

/// A field that breaks a rule.
pub(super) fn invalid(field: &str, message: impl Into<String>) -> Error {
    Error {
        field: field.into(),
        ..refused(ErrorCode::InvalidArgument, message)
    }
}

/// A field that is over a limit.
pub(super) fn too_large(field: &str, setting: &str, limit: u64, value: u64, unit: &str) -> Error {
    let message = format!("{field} has {value} {unit}; the limit is {limit} ({setting})");
    Error {
        field: field.into(),
        limit,
        value,
        ..refused(ErrorCode::TooLarge, message)
    }
}

/// A state machine's answer that nothing was changed.
pub(super) fn rejection(rejection: &Rejection) -> Error {
    let base = |code| refused(code, rejection.to_string());
    match rejection {
        Rejection::UnknownDomain { .. } => Error {
            field: "domain".into(),
            ..base(ErrorCode::UnknownDomain)
        },
        Rejection::TierMismatch { .. } => Error {
            field: "domain".into(),
            ..base(ErrorCode::TierMismatch)
        },
        Rejection::DomainFull { bytes, bytes_max, .. } => Error {
            limit: *bytes_max,
            value: *bytes,
            ..base(ErrorCode::DomainFull)
        },
        Rejection::Compacted { asked, oldest } => Error {
            value: asked.0,
            boundary: oldest.0,
            field: "revision".into(),
            ..base(ErrorCode::Compacted)
        },
        Rejection::FutureRevision { asked, newest } => Error {
            value: asked.0,
            boundary: newest.0,
            field: "revision".into(),
            ..base(ErrorCode::FutureRevision)
        },
        // With the client went the answers to its earlier attempts: one of them may have been applied.
        Rejection::ClientExpired { .. } => Error {
            outcome: Outcome::Unknown.into(),
            field: "stamp.client_id".into(),
            ..base(ErrorCode::ClientExpired)
        },
        // The client had its answer once, so it was applied or refused then; this repetition changed nothing.
        Rejection::AnswerForgotten { sequence, .. } => Error {
            value: *sequence,
            outcome: Outcome::Unknown.into(),
            field: "stamp.sequence".into(),
            ..base(ErrorCode::AnswerForgotten)
        },
        Rejection::TooManyUnanswered { unanswered_max, .. } => Error {
            limit: *unanswered_max,
            ..base(ErrorCode::LimitReached)
        },
        Rejection::TooManyClients { clients_max } => Error {
            limit: *clients_max,
            ..base(ErrorCode::LimitReached)
        },
        Rejection::DuplicateKey { .. } => Error {
            field: "operations".into(),
            ..base(ErrorCode::InvalidArgument)
        },
        Rejection::TransactionTooLarge { limit, value, .. } => Error {
            limit: *limit,
            value: *value,
            field: "operations".into(),
            ..base(ErrorCode::TooLarge)
        },
        Rejection::Domain { refusal, .. } => domain(base, refusal),
        Rejection::Actor { refusal } => base(match refusal {
            ActorRefusal::TooMany { .. } => ErrorCode::LimitReached,
            ActorRefusal::Unknown { .. } | ActorRefusal::Finals { .. } => ErrorCode::InvalidArgument,
            ActorRefusal::Used { .. } | ActorRefusal::Retired { .. } => ErrorCode::Conflict,
        }),
        Rejection::Lease { operation, refusal } => of_operation(*operation, leases::refusal(refusal)),
        Rejection::Lock { operation, refusal } => of_operation(*operation, locks::refusal(refusal)),
        Rejection::Queue { operation, refusal } => of_operation(*operation, queues::refusal(refusal)),
        Rejection::Worker { operation, refusal } => of_operation(*operation, workers::refusal(refusal)),
    }
}

fn domain(base: impl Fn(ErrorCode) -> Error, refusal: &DomainRefusal) -> Error {
    let error = match refusal {
        DomainRefusal::Exists => base(ErrorCode::DomainExists),
        DomainRefusal::BuiltIn => base(ErrorCode::DomainInUse),
        DomainRefusal::InUse { bytes } => Error {
            value: *bytes,
            ..base(ErrorCode::DomainInUse)
        },
        DomainRefusal::TooMany { domains_max } => Error {
            limit: *domains_max,
            ..base(ErrorCode::LimitReached)
        },
        DomainRefusal::IdsUsedUp => base(ErrorCode::LimitReached),
        DomainRefusal::TtlTooLong { ttl_ms, ttl_ms_max } => Error {
            limit: *ttl_ms_max,
            value: *ttl_ms,
            ..base(ErrorCode::InvalidArgument)
        },
        DomainRefusal::UnknownStrategy { number } => Error {
            value: u64::from(*number),
            ..base(ErrorCode::InvalidArgument)
        },
        DomainRefusal::Name
        | DomainRefusal::NotOfTier { .. }
        | DomainRefusal::EvictWithoutPolicy
        | DomainRefusal::VolatileOnDisk
        | DomainRefusal::BoundOfZero
        | DomainRefusal::TtlRequired => base(ErrorCode::InvalidArgument),
    };
    Error {
        field: refusal.field().into(),
        ..error
    }
}

fn of_operation(operation: u32, error: Error) -> Error {
    Error {
        operation: Some(operation),
        ..error
    }
}

/// A proposal without a reply.
pub(super) fn propose(error: &ProposeError, roster: &Roster) -> Error {
    let base = |code| refused(code, error.to_string());
    match error {
        ProposeError::NotLeader { leader } => Error {
            leader_hint: leader_hint(*leader, roster),
            ..base(ErrorCode::NotLeader)
        },
        ProposeError::Overloaded { waiting } => Error {
            limit: *waiting as u64,
            value: *waiting as u64,
            ..base(ErrorCode::Overloaded)
        },
        ProposeError::Encode(_) => base(ErrorCode::TooLarge),
        ProposeError::Unknown(_) => Error {
            outcome: Outcome::Unknown.into(),
            ..base(ErrorCode::Unavailable)
        },
        ProposeError::Stopped(_) => Error {
            outcome: Outcome::Unknown.into(),
            ..base(ErrorCode::Stopped)
        },
    }
}

/// A read that cannot be served at its level.
pub(super) fn read(error: &ReadError) -> Error {
    let code = match error {
        ReadError::NoLeader(_) => ErrorCode::Unavailable,
        ReadError::Overloaded => ErrorCode::Overloaded,
        ReadError::Stopped => ErrorCode::Stopped,
    };
    Error {
        outcome: Outcome::Unspecified.into(),
        ..refused(code, error.to_string())
    }
}

/// Leases that were not renewed, though they may live.
pub(super) fn keep_alive(error: &KeepAliveError, roster: &Roster) -> Error {
    match error {
        KeepAliveError::NotLeader { leader } => Error {
            leader_hint: leader_hint(*leader, roster),
            ..refused(ErrorCode::NotLeader, error.to_string())
        },
        KeepAliveError::Unconfirmed(unconfirmed) => read(unconfirmed),
    }
}

/// A change of membership that was not made.
pub(super) fn membership(error: &MembershipError, roster: &Roster) -> Error {
    let base = |code| refused(code, error.to_string());
    match error {
        MembershipError::NotLeader { leader } => Error {
            leader_hint: leader_hint(*leader, roster),
            ..base(ErrorCode::NotLeader)
        },
        MembershipError::Refused(_) => base(ErrorCode::MembershipRefused),
        MembershipError::Unknown(_) => Error {
            outcome: Outcome::Unknown.into(),
            ..base(ErrorCode::Unavailable)
        },
    }
}

/// A failure of this member's own disk.
pub(super) fn storage(error: &dyn std::error::Error) -> Error {
    tracing::error!(%error, "a read failed");
    Error {
        outcome: Outcome::Unspecified.into(),
        ..refused(ErrorCode::Stopped, error.to_string())
    }
}

/// The error of a unary call: the code nearest to gRPC's, and the whole error in the details.
pub(super) fn status(error: Error) -> Status {
    let code = code(error.code());
    let message = error.message.clone();
    Status::with_details(code, message, Bytes::from(error.encode_to_vec()))
}

/// The code of gRPC that goes with it.
pub(super) fn code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::Unspecified => Code::Unknown,
        ErrorCode::InvalidArgument | ErrorCode::TooLarge => Code::InvalidArgument,
        ErrorCode::NotLeader
        | ErrorCode::Unavailable
        | ErrorCode::Stopped
        | ErrorCode::Stale
        | ErrorCode::UnderReplicated => Code::Unavailable,
        ErrorCode::Overloaded
        | ErrorCode::DomainFull
        | ErrorCode::NoSpace
        | ErrorCode::LimitReached
        | ErrorCode::QueueFull
        | ErrorCode::TooManySiblings
        | ErrorCode::NoCapacity => Code::ResourceExhausted,
        ErrorCode::Compacted | ErrorCode::FutureRevision | ErrorCode::Lagged => Code::OutOfRange,
        ErrorCode::ClientExpired
        | ErrorCode::TierMismatch
        | ErrorCode::MembershipRefused
        | ErrorCode::AnswerForgotten
        | ErrorCode::WrongCluster
        | ErrorCode::LockConflict
        | ErrorCode::QueueNotEmpty
        | ErrorCode::WorkerDraining
        | ErrorCode::ContextLost
        | ErrorCode::TriedElsewhere
        | ErrorCode::DomainInUse
        | ErrorCode::NoWorker => Code::FailedPrecondition,
        ErrorCode::Fenced | ErrorCode::Conflict => Code::Aborted,
        ErrorCode::LeaseExists | ErrorCode::WorkerExists | ErrorCode::DomainExists => Code::AlreadyExists,
        ErrorCode::UnknownDomain
        | ErrorCode::UnknownLease
        | ErrorCode::UnknownQueue
        | ErrorCode::UnknownItem
        | ErrorCode::UnknownWorker
        | ErrorCode::UnknownTask => Code::NotFound,
        ErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorCode::Unimplemented => Code::Unimplemented,
    }
}

pub(super) fn leader_hint(leader: Option<MemberId>, roster: &Roster) -> Option<MemberAddress> {
    let member_id = leader?;
    let client_address = roster.members().get(&member_id)?.client_address.clone();
    Some(MemberAddress {
        member_id,
        client_address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ClientId;

    #[test]
    fn an_expired_client_is_told_that_earlier_attempts_are_in_doubt() {
        let error = rejection(&Rejection::ClientExpired { client: ClientId(7) });
        assert_eq!(error.code(), ErrorCode::ClientExpired);
        assert_eq!(error.outcome(), Outcome::Unknown);
    }
}
