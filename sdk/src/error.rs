//! The one error of the SDK: what was wrong, by how much, and whether a mutation may have been applied.
//!
//! Invariants: an error of a read never says [`Outcome::Unknown`]; an error of a mutation never says
//! [`Outcome::NotApplied`] unless every attempt of it is known not to have changed anything.

use std::fmt;

use quorate_proto::v1;

/// Result of every call of the SDK.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether a mutation that failed may have changed the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The mutation was not applied and will not be.
    NotApplied,
    /// It may have been applied, or may yet be: read before repeating it as a new call.
    Unknown,
    /// The call changes nothing.
    NotAMutation,
}

/// What went wrong. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request, or an option of the builder, breaks a rule.
    InvalidArgument {
        /// The field at fault, e.g. `key`.
        field: String,
        /// The limit that was passed, 0 if the rule is not a limit.
        limit: u64,
        /// The value that was given, 0 if the rule is not a limit.
        value: u64,
    },
    /// Something is larger than it may be.
    TooLarge {
        /// What is too large, e.g. `value`.
        field: String,
        /// The limit, in bytes or items.
        limit: u64,
        /// What was given, in the same unit.
        value: u64,
    },
    /// The members that could be reached do not lead, and no leader was found in time.
    NotLeader {
        /// `host:port` of the leader as the last member knew it.
        leader: Option<String>,
    },
    /// No leader or no quorum.
    Unavailable,
    /// The member has too many calls waiting.
    Overloaded {
        /// How many calls may wait.
        limit: u64,
        /// How many waited.
        value: u64,
    },
    /// The revision was compacted away.
    Compacted {
        /// The oldest revision that can be read.
        boundary: u64,
    },
    /// What is watched was not read in time.
    Lagged {
        /// The revision to resume from.
        resume: u64,
    },
    /// The revision does not exist yet.
    FutureRevision {
        /// The newest revision there is.
        boundary: u64,
    },
    /// The cluster has forgotten this client.
    ClientExpired,
    /// The domain's tier cannot give the consistency that was asked for.
    TierMismatch,
    /// The domain does not exist.
    UnknownDomain,
    /// The domain may not hold that many bytes.
    DomainFull {
        /// What it may hold, in bytes.
        limit: u64,
        /// What it would hold, in bytes.
        value: u64,
    },
    /// The disks of a quorum are nearly full; reads and deletes still work.
    NoSpace,
    /// The membership change breaks a rule.
    MembershipRefused,
    /// The cluster no longer keeps the answer of this mutation.
    AnswerForgotten,
    /// The member is stopping or has failed.
    Stopped,
    /// A limit on clients or on answers kept for them was reached.
    LimitReached {
        /// The limit.
        limit: u64,
        /// What it would have become.
        value: u64,
    },
    /// The call's time was over.
    DeadlineExceeded,
    /// The address belongs to another cluster.
    WrongCluster,
    /// The member does not know this call.
    Unimplemented,
    /// The lease never was, was revoked, or has expired.
    UnknownLease,
    /// The id of the lease is in use.
    LeaseExists,
    /// The fencing token, the receipt or the generation is of a hold that is over: another may have it now.
    Fenced,
    /// A lock, or a request of a lease, is in use in another way: other permits, other names.
    LockConflict,
    /// The queue does not exist.
    UnknownQueue,
    /// The queue holds as many items as it may.
    QueueFull {
        /// The limit.
        limit: u64,
        /// What it would have become.
        value: u64,
    },
    /// The queue still holds items.
    QueueNotEmpty,
    /// The queue holds no such item.
    UnknownItem,
    /// The worker is not registered.
    UnknownWorker,
    /// The worker is registered under another lease that lives.
    WorkerExists,
    /// The worker takes nothing new.
    WorkerDraining,
    /// The worker would have more than it can do.
    NoCapacity {
        /// The limit.
        limit: u64,
        /// What it would have become.
        value: u64,
    },
    /// No worker that could take it has room.
    NoWorker,
    /// There is no assignment of this task.
    UnknownTask,
    /// What the request was made from has changed since.
    Conflict,
    /// No connection could be made, or it broke.
    ConnectionLost,
    /// The client was closed.
    Closed,
    /// The answer does not fit the call.
    Protocol,
    /// A value could not be turned into or read from JSON.
    Json,
    /// A file could not be written.
    Io,
    /// A snapshot arrived damaged.
    SnapshotDamaged,
}

impl ErrorKind {
    /// Whether the same call may succeed a little later.
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotLeader { .. }
                | Self::Unavailable
                | Self::Overloaded { .. }
                | Self::Stopped
                | Self::DeadlineExceeded
                | Self::ConnectionLost
                | Self::ClientExpired
                | Self::NoSpace
        )
    }

    /// Whether this is the cluster's answer to the mutation itself, the same for each of its attempts. Everything else
    /// speaks of one attempt only, and says nothing about an earlier one whose answer was lost: so do `InvalidArgument`
    /// and `TooLarge`, since a member checks its own limits, which may differ from those of the member asked before.
    pub(crate) fn answers_every_attempt(&self) -> bool {
        matches!(
            self,
            Self::UnknownLease
                | Self::LeaseExists
                | Self::Fenced
                | Self::LockConflict
                | Self::UnknownQueue
                | Self::QueueFull { .. }
                | Self::QueueNotEmpty
                | Self::UnknownItem
                | Self::UnknownWorker
                | Self::WorkerExists
                | Self::WorkerDraining
                | Self::NoCapacity { .. }
                | Self::NoWorker
                | Self::UnknownTask
                | Self::Conflict
                | Self::Compacted { .. }
                | Self::FutureRevision { .. }
                | Self::TierMismatch
                | Self::UnknownDomain
                | Self::DomainFull { .. }
        )
    }

    /// Whether the SDK itself tries again.
    pub(crate) fn is_retried(&self) -> bool {
        matches!(
            self,
            Self::NotLeader { .. }
                | Self::Unavailable
                | Self::Overloaded { .. }
                | Self::Stopped
                | Self::DeadlineExceeded
                | Self::ConnectionLost
        )
    }
}

/// Why a call failed.
#[derive(Clone)]
pub struct Error(Box<Body>);

/// Kept behind a pointer: a `Result` that is nearly always `Ok` stays small.
#[derive(Clone)]
struct Body {
    kind: ErrorKind,
    outcome: Outcome,
    message: String,
    attempts: u32,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind,
            outcome,
            message: message.into(),
            attempts: 0,
        }))
    }

    /// An argument that was refused before anything was sent.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let kind = ErrorKind::InvalidArgument {
            field: field.to_owned(),
            limit: 0,
            value: 0,
        };
        Self::new(kind, Outcome::NotApplied, message)
    }

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

    /// The error of a unary call: the server's own, if the status carries it.
    pub(crate) fn of_status(status: &tonic::Status) -> Self {
        use prost::Message;
        let details = status.details();
        if !details.is_empty()
            && let Ok(error) = v1::Error::decode(details)
        {
            return Self::of_reply(error);
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

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_context(mut self, context: &str) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What went wrong, with the limit, the value, the boundary or the field where there is one.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether a mutation may have been applied nevertheless. Never [`Outcome::Unknown`] for a read.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether issuing the call again, as a new call, is harmless and may succeed: what went wrong passes by itself, and
    /// the call is a read or was certainly not applied.
    pub fn is_retryable(&self) -> bool {
        self.0.outcome != Outcome::Unknown && self.0.kind.is_transient()
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How often the call was tried; 0 when it was refused before anything was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
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
        // A code of a later version: nothing may be assumed of it.
        v1::ErrorCode::Unspecified => ErrorKind::Protocol,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.outcome {
            Outcome::Unknown => f.write_str(" (whether it was applied is unknown)"),
            Outcome::NotApplied | Outcome::NotAMutation => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("message", &self.0.message)
            .field("attempts", &self.0.attempts)
            .finish()
    }
}

impl std::error::Error for Error {}

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
    fn a_refusal_by_a_members_own_limits_answers_only_its_own_attempt() {
        use crate::call::{Nature, outcome_of};
        let field = "value".to_owned();
        let (limit, value) = (7, 8);
        let too_large = ErrorKind::TooLarge {
            field: field.clone(),
            limit,
            value,
        };
        let invalid = ErrorKind::InvalidArgument { field, limit, value };
        for kind in [too_large, invalid] {
            assert_eq!(outcome_of(Nature::Stamped, &kind, false), Outcome::NotApplied);
            assert_eq!(outcome_of(Nature::Stamped, &kind, true), Outcome::Unknown);
        }
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

    #[test]
    fn a_doubtful_mutation_is_not_offered_for_a_harmless_retry() {
        let error = |outcome| Error::new(ErrorKind::ConnectionLost, outcome, "broken");
        assert!(error(Outcome::NotApplied).is_retryable());
        assert!(error(Outcome::NotAMutation).is_retryable());
        assert!(!error(Outcome::Unknown).is_retryable());
    }
}
