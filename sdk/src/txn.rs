//! Transactions: compares, and the operations that follow from them.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::compare::{Operand, Operator};
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::operation_result::Result as OperationResult;
use quorate_proto::v1::reply::Response;

use crate::consistency::whole_ms;
use crate::core::{Core, unexpected};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::{Told, answers_with_a_token};
use crate::lease::LeaseOpReply;
use crate::lock::LockOpReply;
use crate::queue::QueueOpReply;
use crate::record::{IntoBytes, Keys, Record};
use crate::worker::WorkerOpReply;

/// A condition of a transaction. A key that does not exist has version, revisions and lease 0, and no value: comparing
/// its value is false, whatever the operator.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a compare has an effect in `Txn::when` only"]
pub struct Compare(v1::Compare);

/// A [`Compare`] of a number that still lacks its operator.
#[derive(Clone, Debug)]
#[must_use = "choose an operator"]
pub struct CompareNumber {
    key: Bytes,
    operand: fn(u64) -> Operand,
}

/// A [`Compare`] of a value that still lacks its operator.
#[derive(Clone, Debug)]
#[must_use = "choose an operator"]
pub struct CompareValue {
    key: Bytes,
}

impl Compare {
    /// Compares the value.
    pub fn value(key: impl IntoBytes) -> CompareValue {
        CompareValue { key: key.into_bytes() }
    }

    /// Compares the number of writes since the key's creation.
    pub fn version(key: impl IntoBytes) -> CompareNumber {
        CompareNumber {
            key: key.into_bytes(),
            operand: Operand::Version,
        }
    }

    /// Compares the revision of the key's creation.
    pub fn create_revision(key: impl IntoBytes) -> CompareNumber {
        CompareNumber {
            key: key.into_bytes(),
            operand: Operand::CreateRevision,
        }
    }

    /// Compares the revision of the last write.
    pub fn mod_revision(key: impl IntoBytes) -> CompareNumber {
        CompareNumber {
            key: key.into_bytes(),
            operand: Operand::ModRevision,
        }
    }

    /// Compares the lease.
    pub fn lease(key: impl IntoBytes) -> CompareNumber {
        CompareNumber {
            key: key.into_bytes(),
            operand: Operand::Lease,
        }
    }

    /// Holds when the key exists.
    pub fn exists(key: impl IntoBytes) -> Self {
        Self::version(key).greater_than(0)
    }

    /// Holds when the key does not exist.
    pub fn is_missing(key: impl IntoBytes) -> Self {
        Self::version(key).equals(0)
    }

    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.domain = domain.into();
        self
    }

    fn new(key: Bytes, operator: Operator, operand: Operand) -> Self {
        Self(v1::Compare {
            domain: String::new(),
            key,
            operator: operator.into(),
            operand: Some(operand),
        })
    }
}

impl CompareNumber {
    /// Holds when it is equal.
    pub fn equals(self, number: u64) -> Compare {
        Compare::new(self.key, Operator::Equal, (self.operand)(number))
    }

    /// Holds when it is not equal.
    pub fn not_equals(self, number: u64) -> Compare {
        Compare::new(self.key, Operator::NotEqual, (self.operand)(number))
    }

    /// Holds when it is greater.
    pub fn greater_than(self, number: u64) -> Compare {
        Compare::new(self.key, Operator::Greater, (self.operand)(number))
    }

    /// Holds when it is less.
    pub fn less_than(self, number: u64) -> Compare {
        Compare::new(self.key, Operator::Less, (self.operand)(number))
    }
}

impl CompareValue {
    /// Holds when the bytes are equal.
    pub fn equals(self, value: impl IntoBytes) -> Compare {
        Compare::new(self.key, Operator::Equal, Operand::Value(value.into_bytes()))
    }

    /// Holds when the bytes are not equal.
    pub fn not_equals(self, value: impl IntoBytes) -> Compare {
        Compare::new(self.key, Operator::NotEqual, Operand::Value(value.into_bytes()))
    }

    /// Holds when the value comes after `value` in the order of bytes.
    pub fn greater_than(self, value: impl IntoBytes) -> Compare {
        Compare::new(self.key, Operator::Greater, Operand::Value(value.into_bytes()))
    }

    /// Holds when the value comes before `value` in the order of bytes.
    pub fn less_than(self, value: impl IntoBytes) -> Compare {
        Compare::new(self.key, Operator::Less, Operand::Value(value.into_bytes()))
    }
}

/// An operation of a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in `Txn::then` and `Txn::otherwise` only"]
pub struct Op(Operation);

/// A write as an operation of a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in `Txn::then` and `Txn::otherwise` only"]
pub struct PutOp(v1::PutRequest);

/// A deletion as an operation of a transaction.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in `Txn::then` and `Txn::otherwise` only"]
pub struct DeleteOp(v1::DeleteRequest);

/// A read as an operation of a transaction; it sees what the operations before it wrote.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in `Txn::then` and `Txn::otherwise` only"]
pub struct RangeOp(v1::RangeRequest);

impl Op {
    /// Writes a key.
    pub fn put(key: impl IntoBytes, value: impl IntoBytes) -> PutOp {
        PutOp(v1::PutRequest {
            key: key.into_bytes(),
            value: value.into_bytes(),
            ..Default::default()
        })
    }

    /// Deletes one key or many.
    pub fn delete(keys: impl Into<Keys>) -> DeleteOp {
        DeleteOp(v1::DeleteRequest {
            keys: Some(keys.into().into_selector()),
            ..Default::default()
        })
    }

    /// Reads one key.
    pub fn get(key: impl IntoBytes) -> RangeOp {
        Self::range(Keys::key(key))
    }

    /// Reads many keys.
    pub fn range(keys: impl Into<Keys>) -> RangeOp {
        RangeOp(v1::RangeRequest {
            keys: Some(keys.into().into_selector()),
            ..Default::default()
        })
    }
}

impl PutOp {
    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.domain = domain.into();
        self
    }

    /// How long the key lives, in log time, rounded up to milliseconds. Default, and for zero: for ever.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.0.ttl_ms = whole_ms(ttl);
        self
    }

    /// The lease whose life the key shares. Default: none.
    pub fn lease(mut self, lease: u64) -> Self {
        self.0.lease = lease;
        self
    }

    /// Tags, at most 16 of at most 128 bytes. Default: none.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.0.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the record that was replaced. Default: it is not returned.
    pub fn previous(mut self) -> Self {
        self.0.previous = true;
        self
    }
}

impl DeleteOp {
    /// The domain of the keys. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.domain = domain.into();
        self
    }

    /// Returns the records that were deleted. Default: they are not returned.
    pub fn previous(mut self) -> Self {
        self.0.previous = true;
        self
    }
}

impl RangeOp {
    /// The domain of the keys. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.0.domain = domain.into();
        self
    }

    /// At most this many records. Default, and for 0: the member's limit.
    pub fn limit(mut self, records: u64) -> Self {
        self.0.limit = records;
        self
    }

    /// Leaves the values out. Default: they are returned.
    pub fn keys_only(mut self) -> Self {
        self.0.keys_only = true;
        self
    }
}

impl Op {
    pub(crate) fn of(operation: Operation) -> Self {
        Self(operation)
    }
}

impl From<PutOp> for Op {
    fn from(put: PutOp) -> Self {
        Self(Operation::Put(put.0))
    }
}

impl From<DeleteOp> for Op {
    fn from(delete: DeleteOp) -> Self {
        Self(Operation::Delete(delete.0))
    }
}

impl From<RangeOp> for Op {
    fn from(range: RangeOp) -> Self {
        Self(Operation::Range(range.0))
    }
}

/// A transaction: if every compare holds, `then` is done, `otherwise` if not; all of it at one revision. At most 128
/// operations a branch.
#[must_use = "a call is made when it is awaited"]
pub struct Txn<'a> {
    core: &'a Core,
    request: v1::TxnRequest,
    timeout: Option<Duration>,
}

/// The answer of a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TxnReply {
    /// The revision of the store after it; its own if it wrote anything.
    pub revision: u64,
    /// Every compare held.
    pub succeeded: bool,
    /// One for each operation of the branch that was done, in order.
    pub results: Vec<OpReply>,
    told: Told,
}

answers_with_a_token!(TxnReply);

/// The answer of one operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpReply {
    /// Of [`Op::put`].
    Put {
        /// The record that was replaced, if it was asked for and there was one.
        previous: Option<Record>,
    },
    /// Of [`Op::delete`].
    Delete {
        /// How many keys went.
        deleted: u64,
        /// Their records, if they were asked for.
        previous: Vec<Record>,
    },
    /// Of [`Op::get`] and [`Op::range`].
    Range {
        /// The records.
        records: Vec<Record>,
        /// Every record that matches, whatever the limit.
        count: u64,
        /// There are more than were returned.
        more: bool,
    },
    /// Of an operation on leases.
    Lease(LeaseOpReply),
    /// Of an operation on locks.
    Lock(LockOpReply),
    /// Of an operation on queues.
    Queue(QueueOpReply),
    /// Of an operation on workers.
    Worker(WorkerOpReply),
}

impl OpReply {
    /// The first record that the operation returned: for [`Op::get`], the key's.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Put { previous } => previous.as_ref(),
            Self::Delete { previous, .. } => previous.first(),
            Self::Range { records, .. } => records.first(),
            Self::Lease(_) | Self::Lock(_) | Self::Queue(_) | Self::Worker(_) => None,
        }
    }

    fn from_wire(result: v1::OperationResult) -> Result<Self> {
        let records = |records: Vec<v1::Record>| records.into_iter().map(Record::from).collect();
        match result.result {
            Some(OperationResult::Put(put)) => Ok(Self::Put {
                previous: put.previous.map(Record::from),
            }),
            Some(OperationResult::Delete(delete)) => Ok(Self::Delete {
                deleted: delete.deleted,
                previous: records(delete.previous),
            }),
            Some(OperationResult::Range(range)) => Ok(Self::Range {
                records: records(range.records),
                count: range.count,
                more: range.more,
            }),
            Some(OperationResult::Lease(lease)) => LeaseOpReply::from_wire(lease).map(Self::Lease),
            Some(OperationResult::Lock(lock)) => LockOpReply::from_wire(lock).map(Self::Lock),
            Some(OperationResult::Queue(queue)) => QueueOpReply::from_wire(queue).map(Self::Queue),
            Some(OperationResult::Worker(worker)) => WorkerOpReply::from_wire(worker).map(Self::Worker),
            None => {
                let message = "an operation of the transaction came back without a result";
                Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
            }
        }
    }
}

impl<'a> Txn<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self {
            core,
            request: v1::TxnRequest::default(),
            timeout: None,
        }
    }

    /// Adds a condition.
    pub fn when(mut self, compare: Compare) -> Self {
        self.request.compares.push(compare.0);
        self
    }

    /// Adds an operation that is done when every condition holds.
    pub fn then(mut self, op: impl Into<Op>) -> Self {
        self.request.then.push(v1::Operation {
            operation: Some(op.into().0),
        });
        self
    }

    /// Adds an operation that is done when some condition does not hold.
    pub fn otherwise(mut self, op: impl Into<Op>) -> Self {
        self.request.otherwise.push(v1::Operation {
            operation: Some(op.into().0),
        });
        self
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(self) -> Result<TxnReply> {
        match self.core.mutate(Request::Txn(self.request), self.timeout).await? {
            Response::Txn(response) => {
                let header = response.header.unwrap_or_default();
                Ok(TxnReply {
                    revision: header.revision,
                    succeeded: response.succeeded,
                    results: response
                        .results
                        .into_iter()
                        .map(OpReply::from_wire)
                        .collect::<Result<_>>()?,
                    told: Told::of(&header),
                })
            }
            other => Err(unexpected("Txn", &other)),
        }
    }
}

impl<'a> IntoFuture for Txn<'a> {
    type Output = Result<TxnReply>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
