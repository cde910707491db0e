//! Deterministic refusals: an answer to the client, and part of the replicated state.

use bincode::{Decode, Encode};

use super::{
    ActorRefusal, ClientId, DomainRefusal, LeaseRefusal, LockRefusal, QueueRefusal, Revision, Tier, WorkerRefusal,
};

/// Why a command changed nothing. Every replica reaches the same one, and a retry gets it again. Whatever else goes
/// wrong while a command is applied stops the node.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Rejection {
    /// No such domain.
    #[error("domain {domain:?} does not exist")]
    UnknownDomain {
        /// The name that was asked for.
        domain: String,
    },
    /// The domain's limit of bytes would be passed.
    #[error("domain {domain:?} would hold {bytes} bytes; its limit is {bytes_max}: delete keys or raise the limit")]
    DomainFull {
        /// Its name.
        domain: String,
        /// What it would hold.
        bytes: u64,
        /// What it may hold.
        bytes_max: u64,
    },
    /// A revision that was compacted away.
    #[error("revision {asked} was compacted; the oldest that can be read is {oldest}")]
    Compacted {
        /// What was asked for.
        asked: Revision,
        /// The oldest that can be read.
        oldest: Revision,
    },
    /// A revision that does not exist yet.
    #[error("revision {asked} is in the future; the newest is {newest}")]
    FutureRevision {
        /// What was asked for.
        asked: Revision,
        /// The newest.
        newest: Revision,
    },
    /// The client never registered, or was idle for too long.
    #[error("client {client} is unknown or expired: register again; whether its earlier calls were applied is unknown")]
    ClientExpired {
        /// The client's id.
        client: ClientId,
    },
    /// The client said that it has this answer; it was forgotten.
    #[error("the answer of sequence {sequence} of client {client} was already acknowledged and forgotten")]
    AnswerForgotten {
        /// The client's id.
        client: ClientId,
        /// The sequence of the mutation.
        sequence: u64,
    },
    /// The client has too many answers outstanding.
    #[error("client {client} has {unanswered_max} answers outstanding, which is the limit: acknowledge some")]
    TooManyUnanswered {
        /// The client's id.
        client: ClientId,
        /// The limit.
        unanswered_max: u64,
    },
    /// Too many clients are registered.
    #[error("{clients_max} clients are registered, which is the limit")]
    TooManyClients {
        /// The limit.
        clients_max: u64,
    },
    /// The same key stands twice in one branch of a transaction.
    #[error("key \"{}\" is changed twice in one transaction (operation {operation})", key.escape_ascii())]
    DuplicateKey {
        /// Number of the second operation in its branch, from 0.
        operation: u32,
        /// The key.
        key: Vec<u8>,
    },
    /// The transaction would touch or return more than one transaction may.
    #[error("operation {operation} would touch {value} {what}; the limit of a transaction is {limit}")]
    TransactionTooLarge {
        /// Number of the operation in its branch, from 0.
        operation: u32,
        /// What there is too much of: "keys" or "bytes".
        what: String,
        /// How much.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The domain's keys live in another tier than this call addresses.
    #[error("domain {domain:?} is {tier}: this call cannot address it")]
    TierMismatch {
        /// Its name.
        domain: String,
        /// Its tier.
        tier: Tier,
    },
    /// An operation on leases.
    #[error("{refusal}")]
    Lease {
        /// Number of the operation in its branch, from 0.
        operation: u32,
        /// Why.
        refusal: LeaseRefusal,
    },
    /// An operation on locks.
    #[error("{refusal}")]
    Lock {
        /// Number of the operation in its branch, from 0.
        operation: u32,
        /// Why.
        refusal: LockRefusal,
    },
    /// An operation on queues.
    #[error("{refusal}")]
    Queue {
        /// Number of the operation in its branch, from 0.
        operation: u32,
        /// Why.
        refusal: QueueRefusal,
    },
    /// An operation on workers.
    #[error("{refusal}")]
    Worker {
        /// Number of the operation in its branch, from 0.
        operation: u32,
        /// Why.
        refusal: WorkerRefusal,
    },
    /// A rule of domains.
    #[error("domain {domain:?}: {refusal}")]
    Domain {
        /// The name that was asked for.
        domain: String,
        /// Which rule.
        refusal: DomainRefusal,
    },
    /// A rule of actors.
    #[error("{refusal}")]
    Actor {
        /// Which rule.
        refusal: ActorRefusal,
    },
}

impl Rejection {
    /// What a rule of domains refuses of the domain of this name.
    pub fn of_domain(domain: &str, refusal: DomainRefusal) -> Self {
        Rejection::Domain {
            domain: domain.to_owned(),
            refusal,
        }
    }
}

impl From<ActorRefusal> for Rejection {
    fn from(refusal: ActorRefusal) -> Self {
        Rejection::Actor { refusal }
    }
}

/// A refusal of one kind of operation.
pub trait Refusal {
    /// The rejection of a transaction whose operation of this number met it.
    fn of_operation(self, operation: u32) -> Rejection;
}

impl Refusal for LeaseRefusal {
    fn of_operation(self, operation: u32) -> Rejection {
        Rejection::Lease {
            operation,
            refusal: self,
        }
    }
}

impl Refusal for LockRefusal {
    fn of_operation(self, operation: u32) -> Rejection {
        Rejection::Lock {
            operation,
            refusal: self,
        }
    }
}

impl Refusal for QueueRefusal {
    fn of_operation(self, operation: u32) -> Rejection {
        Rejection::Queue {
            operation,
            refusal: self,
        }
    }
}

impl Refusal for WorkerRefusal {
    fn of_operation(self, operation: u32) -> Rejection {
        Rejection::Worker {
            operation,
            refusal: self,
        }
    }
}
