//! From the messages of the wire to commands and reads.

use std::time::Duration;

use quorate_proto::v1::{self as proto, Error, call, compare, operation};

use super::error::{invalid, too_large};
use super::validate;
use crate::config::Limits;
use crate::mvcc::{Delete, DomainTable, Put, Range, SortTarget, TTL_MS_MAX};
use crate::state_machine::{
    Announced, Command, Compact, Compare, CompareOperand, CompareOperator, Operation, RegisterClient, Stamp,
    Transaction,
};
use crate::types::{ClientId, LeaseId, Revision};

use super::work::{Expected, Query, Read, TIMEOUT_MAX, Work};
use super::{domains, leases, locks, queues, workers};

/// Bytes of a client's name.
const NAME_BYTES_MAX: usize = 128;

/// Checks a call and says what is to be done for it.
pub(super) fn work(limits: &Limits, table: &Announced<DomainTable>, request: call::Request) -> Result<Work, Error> {
    match request {
        call::Request::Get(get) => read_one(limits, table, get).map(Work::Read),
        call::Request::Range(request) => read_many(limits, table, &request).map(Work::Read),
        call::Request::DomainCreate(request) => domains::create(request),
        call::Request::DomainList(request) => domains::list(&request),
        call::Request::DomainGet(request) => domains::get(request),
        call::Request::DomainChange(request) => domains::change(request),
        call::Request::DomainDrop(request) => domains::drop(request),
        call::Request::Put(request) => {
            let operation = Operation::Put(put(limits, &request)?);
            Ok(mutation(transaction(request.stamp, operation)?, Expected::Put))
        }
        call::Request::Delete(request) => {
            let operation = Operation::Delete(delete(limits, &request)?);
            Ok(mutation(transaction(request.stamp, operation)?, Expected::Delete))
        }
        call::Request::Txn(request) => Ok(mutation(txn(limits, &request)?, Expected::Txn)),
        call::Request::Compact(request) => {
            if request.revision == 0 {
                return Err(invalid("revision", "the revision to compact at is at least 1"));
            }
            let command = Command::Compact(Compact {
                revision: Revision(request.revision),
            });
            Ok(Work::Mutate {
                command,
                expected: Expected::Compact,
            })
        }
        call::Request::KeepAlive(request) => Ok(Work::KeepAlive(request)),
        call::Request::Query(request) => query(request),
        call::Request::RegisterClient(request) => {
            if request.name.len() > NAME_BYTES_MAX {
                let limit = NAME_BYTES_MAX as u64;
                return Err(too_large("name", "fixed", limit, request.name.len() as u64, "bytes"));
            }
            let command = Command::RegisterClient(RegisterClient { name: request.name });
            Ok(Work::Mutate {
                command,
                expected: Expected::RegisterClient,
            })
        }
    }
}

fn mutation(transaction: Transaction, expected: Expected) -> Work {
    Work::Mutate {
        command: Command::Transaction(transaction),
        expected,
    }
}

fn transaction(stamped: Option<proto::ClientStamp>, operation: Operation) -> Result<Transaction, Error> {
    Ok(Transaction {
        stamp: stamp(stamped)?,
        compares: Vec::new(),
        then: vec![operation],
        otherwise: Vec::new(),
    })
}

/// Checks the name of a mutation.
pub(super) fn stamp(stamp: Option<proto::ClientStamp>) -> Result<Option<Stamp>, Error> {
    let Some(stamp) = stamp else { return Ok(None) };
    if stamp.client_id == 0 || stamp.sequence == 0 {
        return Err(invalid("stamp", "client_id and sequence are at least 1"));
    }
    if stamp.answered_up_to >= stamp.sequence {
        return Err(invalid(
            "stamp.answered_up_to",
            "a call cannot say that its own answer has arrived",
        ));
    }
    Ok(Some(Stamp {
        client: ClientId(stamp.client_id),
        sequence: stamp.sequence,
        answered_up_to: stamp.answered_up_to,
    }))
}

fn put(limits: &Limits, put: &proto::PutRequest) -> Result<Put, Error> {
    if put.ttl_ms > TTL_MS_MAX {
        return Err(too_large("ttl_ms", "fixed", TTL_MS_MAX, put.ttl_ms, "ms"));
    }
    Ok(Put {
        domain: validate::domain(&put.domain)?,
        key: validate::key(limits, &put.key)?,
        value: validate::value(limits, &put.value)?,
        lease: (put.lease != 0).then_some(LeaseId(put.lease)),
        ttl_ms: (put.ttl_ms != 0).then_some(put.ttl_ms),
        tags: validate::tags(limits, put)?,
        previous: put.previous,
    })
}

fn delete(limits: &Limits, delete: &proto::DeleteRequest) -> Result<Delete, Error> {
    Ok(Delete {
        domain: validate::domain(&delete.domain)?,
        keys: validate::selector(limits, delete.keys.as_ref())?,
        previous: delete.previous,
    })
}

fn txn(limits: &Limits, txn: &proto::TxnRequest) -> Result<Transaction, Error> {
    for (field, count) in [
        ("compares", txn.compares.len()),
        ("then", txn.then.len()),
        ("otherwise", txn.otherwise.len()),
    ] {
        if count as u64 > limits.txn_operations_max {
            let limit = limits.txn_operations_max;
            return Err(too_large(
                field,
                "limits.txn_operations_max",
                limit,
                count as u64,
                "operations",
            ));
        }
    }
    let operations = |branch: &[proto::Operation]| {
        branch
            .iter()
            .map(|one| operation(limits, one))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(Transaction {
        stamp: stamp(txn.stamp)?,
        compares: txn
            .compares
            .iter()
            .map(|one| compare(limits, one))
            .collect::<Result<_, _>>()?,
        then: operations(&txn.then)?,
        otherwise: operations(&txn.otherwise)?,
    })
}

fn operation(limits: &Limits, operation: &proto::Operation) -> Result<Operation, Error> {
    match &operation.operation {
        None => Err(invalid("operation", "an operation is empty")),
        Some(operation::Operation::Put(one)) => put(limits, one).map(Operation::Put),
        Some(operation::Operation::Delete(one)) => delete(limits, one).map(Operation::Delete),
        Some(operation::Operation::Range(one)) => {
            let range = Range {
                revision: None,
                ..range(limits, one)?
            };
            Ok(Operation::Range(range))
        }
        Some(operation::Operation::Lease(one)) => leases::operation(one).map(Operation::Lease),
        Some(operation::Operation::Lock(one)) => locks::operation(limits, one).map(Operation::Lock),
        Some(operation::Operation::Queue(one)) => queues::operation(limits, one).map(Operation::Queue),
        Some(operation::Operation::Worker(one)) => workers::operation(limits, one).map(Operation::Worker),
    }
}

fn compare(limits: &Limits, compare: &proto::Compare) -> Result<Compare, Error> {
    use compare::Operand;
    let operator = match compare.operator() {
        compare::Operator::Equal => CompareOperator::Equal,
        compare::Operator::NotEqual => CompareOperator::NotEqual,
        compare::Operator::Greater => CompareOperator::Greater,
        compare::Operator::Less => CompareOperator::Less,
        compare::Operator::Unspecified => {
            let message = format!("operator {} is unknown", compare.operator);
            return Err(invalid("compares.operator", message));
        }
    };
    let operand = match &compare.operand {
        None => return Err(invalid("compares.operand", "a compare has nothing to compare with")),
        Some(Operand::Value(value)) => CompareOperand::Value(validate::value(limits, value)?),
        Some(Operand::Version(version)) => CompareOperand::Version(*version),
        Some(Operand::CreateRevision(revision)) => CompareOperand::CreateRevision(*revision),
        Some(Operand::ModRevision(revision)) => CompareOperand::ModRevision(*revision),
        Some(Operand::Lease(lease)) => CompareOperand::Lease(*lease),
    };
    Ok(Compare {
        domain: validate::domain(&compare.domain)?,
        key: validate::key(limits, &compare.key)?,
        operator,
        operand,
    })
}

fn range(limits: &Limits, range: &proto::RangeRequest) -> Result<Range, Error> {
    use proto::SortTarget as Wire;
    let sort = match Wire::try_from(range.sort_target) {
        Ok(Wire::Unspecified | Wire::Key) => SortTarget::Key,
        Ok(Wire::Version) => SortTarget::Version,
        Ok(Wire::CreateRevision) => SortTarget::CreateRevision,
        Ok(Wire::ModRevision) => SortTarget::ModRevision,
        Ok(Wire::Value) => SortTarget::Value,
        Err(_) => {
            return Err(invalid(
                "sort_target",
                format!("sort target {} is unknown", range.sort_target),
            ));
        }
    };
    if !range.after.is_empty() && sort != SortTarget::Key {
        return Err(invalid("after", "paging needs the order of keys"));
    }
    if !range.tag.is_empty() {
        validate::tag_size(limits, &range.tag)?;
    }
    let bound = |revision: u64| (revision != 0).then_some(Revision(revision));
    let within = |asked: u64, max: u64| if asked == 0 { max } else { asked.min(max) };
    Ok(Range {
        domain: validate::domain(&range.domain)?,
        keys: validate::selector(limits, range.keys.as_ref())?,
        revision: bound(range.revision),
        limit: within(range.limit, limits.range_records_max),
        bytes_max: within(range.bytes_max, limits.range_bytes_max),
        keys_only: range.keys_only,
        count_only: range.count_only,
        sort,
        descending: range.descending,
        mod_revision: (bound(range.min_mod_revision), bound(range.max_mod_revision)),
        create_revision: (bound(range.min_create_revision), bound(range.max_create_revision)),
        tag: (!range.tag.is_empty()).then(|| range.tag.clone()),
        after: (!range.after.is_empty()).then(|| range.after.to_vec()),
    })
}

fn read_one(limits: &Limits, table: &Announced<DomainTable>, get: proto::GetRequest) -> Result<Read, Error> {
    let domain = validate::domain(&get.domain)?;
    Ok(Read {
        level: validate::level_in(&domain, table, get.read.as_ref())?,
        min_revision: min_revision(get.read.as_ref()),
        query: Query::Get {
            domain,
            key: validate::key(limits, &get.key)?,
            revision: (get.revision != 0).then_some(Revision(get.revision)),
        },
    })
}

fn read_many(limits: &Limits, table: &Announced<DomainTable>, request: &proto::RangeRequest) -> Result<Read, Error> {
    let range = range(limits, request)?;
    Ok(Read {
        level: validate::level_in(&range.domain, table, request.read.as_ref())?,
        min_revision: min_revision(request.read.as_ref()),
        query: Query::Range(Box::new(range)),
    })
}

fn query(request: proto::QueryRequest) -> Result<Work, Error> {
    use proto::query_request::Query as Asked;
    match &request.query {
        None => return Err(invalid("query", "the query is empty")),
        Some(Asked::Lease(query)) => leases::check(query)?,
        Some(Asked::Lock(query)) => locks::check(query)?,
        Some(Asked::Queue(query)) => queues::check(query)?,
        Some(Asked::Worker(query)) => workers::check(query)?,
    }
    let wait = Duration::from_millis(request.wait_ms).min(TIMEOUT_MAX);
    let read = Read {
        level: validate::level(request.read.as_ref())?,
        min_revision: min_revision(request.read.as_ref()),
        query: Query::Coordination(Box::new(request)),
    };
    Ok(if wait.is_zero() {
        Work::Read(read)
    } else {
        Work::Await { read, wait }
    })
}

pub(super) fn min_revision(options: Option<&proto::ReadOptions>) -> Revision {
    Revision(options.map_or(0, |options| options.min_revision))
}
