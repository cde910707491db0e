//! What applying a command yields.

use bincode::{Decode, Encode};

use crate::codec::Record;
use crate::coordination::locks::LockReply;
use crate::coordination::queues::QueueReply;
use crate::coordination::sessions::LeaseReply;
use crate::coordination::workers::WorkerReply;
use crate::mvcc::{DeleteReply, Domain, PutReply, RangeReply};
use crate::types::{ClientId, Rejection, Revision};

/// The answer of one command. Part of the replicated state: it is kept for retries.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Reply {
    /// Of a transaction.
    Transaction(TransactionReply),
    /// Of a registration.
    ClientRegistered {
        /// The new id.
        client: ClientId,
        /// The revision at that moment.
        revision: Revision,
    },
    /// Of a command of the system itself.
    Done {
        /// The revision after it.
        revision: Revision,
        /// How many things it removed.
        removed: u64,
    },
    /// Nothing was changed.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// The revision at that moment.
        revision: Revision,
    },
    /// Of a command about a domain.
    Domain {
        /// As it is then; as it was, if it was dropped.
        domain: Domain,
        /// The revision at that moment.
        revision: Revision,
    },
}

impl Record for Reply {
    const ID: u16 = 0x0208;
    const VERSION: u8 = 1;
}

/// The answer of a transaction.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct TransactionReply {
    /// The store's revision after the transaction: its own if it wrote.
    pub revision: Revision,
    /// Every compare held.
    pub succeeded: bool,
    /// One per operation of the branch that was taken.
    pub results: Vec<OperationReply>,
}

/// The answer of one operation.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum OperationReply {
    /// Of a put.
    Put(PutReply),
    /// Of a delete.
    Delete(DeleteReply),
    /// Of a range.
    Range(RangeReply),
    /// Of an operation on leases.
    Lease(LeaseReply),
    /// Of an operation on locks.
    Lock(LockReply),
    /// Of an operation on queues.
    Queue(QueueReply),
    /// Of an operation on workers.
    Worker(WorkerReply),
}

/// The answers of a group, one per command, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupReply(pub Vec<Reply>);

impl std::fmt::Display for GroupReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GroupReply({})", self.0.len())
    }
}
