//! What can go wrong, and what follows from it for a retry.

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
    /// There is as much of something as there may be: clients or answers kept for them, leases, calls that wait for a lock,
    /// watches of a member. The message says what.
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
    /// The member cannot prove that it is as fresh as was asked, or has not seen yet what the causal token names.
    Stale {
        /// The age that was asked for, in milliseconds; 0 if it was the token.
        limit: u64,
        /// How old the answer might be, in milliseconds; 0 if it was the token.
        value: u64,
    },
    /// The causal token names writes that were lost with the process that had acknowledged them. The client has taken
    /// over what is left of it: the same call may succeed now, and says nothing about what was lost.
    ContextLost,
    /// The key has as many concurrent values as it may: read it, and write with the context of that read.
    TooManySiblings {
        /// How many it may have.
        limit: u64,
        /// How many it would have.
        value: u64,
    },
    /// An increment was tried at one process of a member, whose answer was lost, and another one does not repeat it: it may
    /// have been counted already.
    TriedElsewhere,
    /// The domain exists already.
    DomainExists,
    /// The domain is built in, or has what the request would take away.
    DomainInUse,
    /// The write is in the memory of fewer members than was asked for. It stays where it is, and reaches the others when
    /// they can be reached.
    UnderReplicated {
        /// How many members were asked for.
        limit: u64,
        /// How many are known to have it.
        value: u64,
    },
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
    pub(super) fn is_transient(&self) -> bool {
        self.is_retried()
            || matches!(
                self,
                Self::ClientExpired | Self::NoSpace | Self::Stale { .. } | Self::ContextLost
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
                | Self::DomainExists
                | Self::DomainInUse
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Outcome;

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
}
