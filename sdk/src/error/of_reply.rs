//! What a member answers, as an error of the SDK.

use quorate_proto::v1;

use super::{Error, ErrorKind, Outcome};

impl Error {
    /// The server's error, as the answer of one attempt.
    pub(crate) fn of_reply(error: v1::Error) -> Self {
        let outcome = if leaves_doubt(&error) {
            Outcome::Unknown
        } else {
            Outcome::NotApplied
        };
        let kind = kind_of_reply(&error);
        let message = if error.message.is_empty() {
            format!("{:?}", error.code())
        } else {
            error.message
        };
        Self::new(kind, outcome, message)
    }

    /// The server's own error, if the status carries it; otherwise the status is of the transport, or of a proxy.
    pub(crate) fn carried_by(status: &tonic::Status) -> Option<Self> {
        use prost::Message;
        let details = status.details();
        if details.is_empty() {
            return None;
        }
        v1::Error::decode(details).ok().map(Self::of_reply)
    }

    /// Why a stream was not opened: an answer, or else that the connection ended meanwhile. Only what the member says itself
    /// is more than a reason to try again; a proxy says other things, which say nothing of the connections to that address.
    pub(crate) fn of_refused_stream(status: &tonic::Status) -> std::result::Result<Self, String> {
        // A member that does not know the service has no words of its own for it.
        if Self::carried_by(status).is_some() || status.code() == tonic::Code::Unimplemented {
            return Ok(Self::of_status(status).with_outcome(Outcome::NotAMutation));
        }
        let reason = status.to_string();
        // The transport's own errors have a source.
        match std::error::Error::source(status) {
            Some(_) => Err(reason),
            None => Ok(Self::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, reason)),
        }
    }

    /// The error of a unary call: the server's own, if the status carries it.
    pub(crate) fn of_status(status: &tonic::Status) -> Self {
        if let Some(error) = Self::carried_by(status) {
            return error;
        }
        let (kind, outcome) = match status.code() {
            tonic::Code::InvalidArgument => {
                let kind = ErrorKind::InvalidArgument {
                    field: String::new(),
                    limit: 0,
                    value: 0,
                };
                (kind, Outcome::NotApplied)
            }
            tonic::Code::Unimplemented => (ErrorKind::Unimplemented, Outcome::NotApplied),
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => (ErrorKind::DeadlineExceeded, Outcome::Unknown),
            tonic::Code::Unavailable => (ErrorKind::ConnectionLost, Outcome::Unknown),
            _ => (ErrorKind::Protocol, Outcome::Unknown),
        };
        Self::new(kind, outcome, format!("{}: {}", status.code(), status.message()))
    }
}

/// Whether an attempt that was answered like this may have been applied.
fn leaves_doubt(error: &v1::Error) -> bool {
    // The doubt that the member names is about earlier attempts, which the call itself keeps account of; this one was
    // refused.
    if error.code() == v1::ErrorCode::ClientExpired {
        return false;
    }
    match error.outcome() {
        v1::Outcome::NotApplied => false,
        v1::Outcome::Unknown => true,
        v1::Outcome::Unspecified => matches!(
            error.code(),
            v1::ErrorCode::Unspecified
                | v1::ErrorCode::Unavailable
                | v1::ErrorCode::Stopped
                | v1::ErrorCode::DeadlineExceeded
                | v1::ErrorCode::AnswerForgotten
        ),
    }
}

fn kind_of_reply(error: &v1::Error) -> ErrorKind {
    let (limit, value, boundary) = (error.limit, error.value, error.boundary);
    match error.code() {
        v1::ErrorCode::InvalidArgument => ErrorKind::InvalidArgument {
            field: error.field.clone(),
            limit,
            value,
        },
        v1::ErrorCode::TooLarge => ErrorKind::TooLarge {
            field: error.field.clone(),
            limit,
            value,
        },
        v1::ErrorCode::NotLeader => {
            let hint = error.leader_hint.as_ref().map(|hint| hint.client_address.clone());
            ErrorKind::NotLeader {
                leader: hint.filter(|address| !address.is_empty()),
            }
        }
        v1::ErrorCode::Unavailable => ErrorKind::Unavailable,
        v1::ErrorCode::Overloaded => ErrorKind::Overloaded { limit, value },
        v1::ErrorCode::Compacted => ErrorKind::Compacted { boundary },
        v1::ErrorCode::FutureRevision => ErrorKind::FutureRevision { boundary },
        v1::ErrorCode::ClientExpired => ErrorKind::ClientExpired,
        v1::ErrorCode::TierMismatch => ErrorKind::TierMismatch,
        v1::ErrorCode::UnknownDomain => ErrorKind::UnknownDomain,
        v1::ErrorCode::DomainFull => ErrorKind::DomainFull { limit, value },
        v1::ErrorCode::NoSpace => ErrorKind::NoSpace,
        v1::ErrorCode::MembershipRefused => ErrorKind::MembershipRefused,
        v1::ErrorCode::AnswerForgotten => ErrorKind::AnswerForgotten,
        v1::ErrorCode::Stopped => ErrorKind::Stopped,
        v1::ErrorCode::LimitReached => ErrorKind::LimitReached { limit, value },
        v1::ErrorCode::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        v1::ErrorCode::WrongCluster => ErrorKind::WrongCluster,
        v1::ErrorCode::Unimplemented => ErrorKind::Unimplemented,
        v1::ErrorCode::UnknownLease => ErrorKind::UnknownLease,
        v1::ErrorCode::LeaseExists => ErrorKind::LeaseExists,
        v1::ErrorCode::Fenced => ErrorKind::Fenced,
        v1::ErrorCode::LockConflict => ErrorKind::LockConflict,
        v1::ErrorCode::UnknownQueue => ErrorKind::UnknownQueue,
        v1::ErrorCode::QueueFull => ErrorKind::QueueFull { limit, value },
        v1::ErrorCode::QueueNotEmpty => ErrorKind::QueueNotEmpty,
        v1::ErrorCode::UnknownItem => ErrorKind::UnknownItem,
        v1::ErrorCode::UnknownWorker => ErrorKind::UnknownWorker,
        v1::ErrorCode::WorkerExists => ErrorKind::WorkerExists,
        v1::ErrorCode::WorkerDraining => ErrorKind::WorkerDraining,
        v1::ErrorCode::NoCapacity => ErrorKind::NoCapacity { limit, value },
        v1::ErrorCode::NoWorker => ErrorKind::NoWorker,
        v1::ErrorCode::UnknownTask => ErrorKind::UnknownTask,
        v1::ErrorCode::Conflict => ErrorKind::Conflict,
        v1::ErrorCode::Lagged => ErrorKind::Lagged { resume: boundary },
        v1::ErrorCode::Stale => ErrorKind::Stale { limit, value },
        v1::ErrorCode::ContextLost => ErrorKind::ContextLost,
        v1::ErrorCode::TooManySiblings => ErrorKind::TooManySiblings { limit, value },
        v1::ErrorCode::TriedElsewhere => ErrorKind::TriedElsewhere,
        v1::ErrorCode::DomainExists => ErrorKind::DomainExists,
        v1::ErrorCode::DomainInUse => ErrorKind::DomainInUse,
        v1::ErrorCode::UnderReplicated => ErrorKind::UnderReplicated { limit, value },
        // A code of a later version: nothing may be assumed of it.
        _ => ErrorKind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_leaves_doubt_only_if_it_says_so_or_cannot_know() {
        let reply = |code: v1::ErrorCode, outcome: v1::Outcome| v1::Error {
            code: code.into(),
            outcome: outcome.into(),
            ..Default::default()
        };
        assert!(!leaves_doubt(&reply(
            v1::ErrorCode::Unavailable,
            v1::Outcome::NotApplied
        )));
        assert!(leaves_doubt(&reply(
            v1::ErrorCode::Unavailable,
            v1::Outcome::Unspecified
        )));
        assert!(leaves_doubt(&reply(v1::ErrorCode::NotLeader, v1::Outcome::Unknown)));
        assert!(!leaves_doubt(&reply(
            v1::ErrorCode::NotLeader,
            v1::Outcome::Unspecified
        )));
        assert!(!leaves_doubt(&reply(
            v1::ErrorCode::ClientExpired,
            v1::Outcome::Unknown
        )));
    }

    #[test]
    fn an_error_carries_the_limit_the_value_and_the_boundary() {
        let error = v1::Error {
            limit: 7,
            value: 8,
            boundary: 9,
            field: "value".to_owned(),
            ..Default::default()
        };
        let of = |code: v1::ErrorCode| {
            let mut error = error.clone();
            error.set_code(code);
            Error::of_reply(error).kind().clone()
        };
        let field = "value".to_owned();
        assert_eq!(
            of(v1::ErrorCode::TooLarge),
            ErrorKind::TooLarge {
                field,
                limit: 7,
                value: 8
            }
        );
        assert_eq!(of(v1::ErrorCode::Compacted), ErrorKind::Compacted { boundary: 9 });
        assert_eq!(
            of(v1::ErrorCode::DomainFull),
            ErrorKind::DomainFull { limit: 7, value: 8 }
        );
    }
}
