//! From what the store answers to the messages of the wire.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1::{self as proto, operation_result, reply};

use super::api::Api;
use super::error;
use super::work::{Expected, Promise};
use super::{domains, leases, locks, queues, workers};
use crate::mvcc::{KeyRecord, Range, RangeReply};
use crate::signals::Topic;
use crate::state_machine::{IDLE_TTL_MS, OperationReply, Reader, Reply, TransactionReply, UNANSWERED_MAX};
use crate::storage::{StorageError, View};
use crate::types::Revision;

pub(super) fn mutation(api: &Api, expected: Expected, reply: Reply) -> reply::Response {
    match (expected, reply) {
        (_, Reply::Rejected { rejection, .. }) => reply::Response::Error(error::rejection(&rejection)),
        (Expected::Txn, Reply::Transaction(transaction)) => reply::Response::Txn(txn(api, transaction)),
        (Expected::Put | Expected::Delete, Reply::Transaction(transaction)) => single(api, transaction),
        (Expected::Compact, Reply::Done { revision, .. }) => reply::Response::Compact(proto::CompactResponse {
            header: Some(api.header(revision.0)),
        }),
        (Expected::RegisterClient, Reply::ClientRegistered { client, revision }) => {
            reply::Response::RegisterClient(proto::RegisterClientResponse {
                header: Some(api.header(revision.0)),
                client_id: client.0,
                idle_ttl_ms: IDLE_TTL_MS,
                unanswered_max: u32::try_from(UNANSWERED_MAX).unwrap_or(u32::MAX),
            })
        }
        (expected, Reply::Domain { domain, revision }) => domains::changed(api, expected, &domain, revision)
            .unwrap_or_else(|| mismatch(&format!("{expected:?} was answered by a domain"))),
        (expected, reply) => mismatch(&format!("{expected:?} was answered by {reply:?}")),
    }
}

/// A put or delete is a transaction of one operation.
fn single(api: &Api, mut transaction: TransactionReply) -> reply::Response {
    let header = Some(api.header(transaction.revision.0));
    match (transaction.results.pop(), transaction.results.is_empty()) {
        (Some(OperationReply::Put(put)), true) => reply::Response::Put(proto::PutResponse {
            header,
            previous: put.previous.map(record),
        }),
        (Some(OperationReply::Delete(delete)), true) => reply::Response::Delete(proto::DeleteResponse {
            header,
            deleted: delete.deleted,
            previous: delete.previous.into_iter().map(record).collect(),
        }),
        (last, _) => mismatch(&format!("a single operation was answered by {last:?}")),
    }
}

/// The same command was answered by something else: a stamp was used for two different calls.
fn mismatch(what: &str) -> reply::Response {
    let message = format!("the stamp of this call was used for a different one before ({what})");
    reply::Response::Error(error::invalid("stamp", message))
}

fn txn(api: &Api, transaction: TransactionReply) -> proto::TxnResponse {
    let revision = transaction.revision.0;
    let results = transaction.results.into_iter().map(|result| {
        let header = None;
        let result = match result {
            OperationReply::Put(put) => operation_result::Result::Put(proto::PutResponse {
                header,
                previous: put.previous.map(record),
            }),
            OperationReply::Delete(delete) => operation_result::Result::Delete(proto::DeleteResponse {
                header,
                deleted: delete.deleted,
                previous: delete.previous.into_iter().map(record).collect(),
            }),
            OperationReply::Range(range) => operation_result::Result::Range(page(range)),
            OperationReply::Lease(lease) => operation_result::Result::Lease(leases::result(lease)),
            OperationReply::Lock(lock) => operation_result::Result::Lock(locks::result(lock)),
            OperationReply::Queue(queue) => operation_result::Result::Queue(queues::result(queue)),
            OperationReply::Worker(worker) => operation_result::Result::Worker(workers::result(worker)),
        };
        proto::OperationResult { result: Some(result) }
    });
    proto::TxnResponse {
        results: results.collect(),
        header: Some(api.header(revision)),
        succeeded: transaction.succeeded,
    }
}

pub(super) fn get(
    api: &Api,
    reader: &Reader<'_>,
    domain: &str,
    key: &[u8],
    revision: Option<Revision>,
    promise: Promise,
) -> reply::Response {
    let read =
        || Ok::<_, crate::storage::StorageError>((reader.header()?.revision, reader.get(domain, key, revision)?));
    match read() {
        Err(failed) => reply::Response::Error(error::storage(&failed)),
        Ok((_, Err(rejection))) => reply::Response::Error(error::rejection(&rejection)),
        Ok((at, Ok(found))) => reply::Response::Get(proto::GetResponse {
            header: Some(api.header(at.0)),
            record: found.map(|found| {
                record(KeyRecord {
                    key: key.to_vec(),
                    record: found,
                })
            }),
            staleness_ms: milliseconds(promise.staleness),
            level: promise.level.on_the_wire().into(),
            led: api.leads(),
        }),
    }
}

pub(super) fn range(api: &Api, reader: &Reader<'_>, range: &Range, promise: Promise) -> reply::Response {
    let read = || Ok::<_, crate::storage::StorageError>((reader.header()?.revision, reader.range(range)?));
    match read() {
        Err(failed) => reply::Response::Error(error::storage(&failed)),
        Ok((_, Err(rejection))) => reply::Response::Error(error::rejection(&rejection)),
        Ok((at, Ok(found))) => reply::Response::Range(proto::RangeResponse {
            header: Some(api.header(at.0)),
            staleness_ms: milliseconds(promise.staleness),
            level: promise.level.on_the_wire().into(),
            led: api.leads(),
            ..page(found)
        }),
    }
}

/// What a query waits for; none if it never waits.
pub(super) fn topic(request: &proto::QueryRequest) -> Option<Topic> {
    use proto::query_request::Query;
    match request.query.as_ref()? {
        Query::Lease(_) => None,
        Query::Lock(query) => locks::topic(query),
        Query::Queue(query) => queues::topic(query),
        Query::Worker(query) => workers::topic(query),
    }
}

/// What a query waits for has come.
pub(super) fn settled(view: &dyn View, request: &proto::QueryRequest) -> Result<bool, StorageError> {
    use proto::query_request::Query;
    match &request.query {
        None | Some(Query::Lease(_)) => Ok(true),
        Some(Query::Lock(query)) => locks::settled(view, query),
        Some(Query::Queue(query)) => queues::settled(view, query),
        Some(Query::Worker(query)) => workers::settled(view, query),
    }
}

/// Answers what is asked of leases, locks, queues and workers.
pub(super) fn query(api: &Api, view: &dyn View, request: &proto::QueryRequest, staleness: Duration) -> reply::Response {
    use proto::query_request::Query;
    use proto::query_response::Answer;
    let read = || {
        let answer = match &request.query {
            None => None,
            Some(Query::Lease(query)) => Some(Answer::Lease(leases::query(api, view, query)?)),
            Some(Query::Lock(query)) => Some(Answer::Lock(locks::query(view, query)?)),
            Some(Query::Queue(query)) => Some(Answer::Queue(queues::query(view, query)?)),
            Some(Query::Worker(query)) => Some(Answer::Worker(workers::query(view, query)?)),
        };
        Ok::<_, StorageError>((Reader::new(view).header()?.revision, answer))
    };
    match read() {
        Err(failed) => reply::Response::Error(error::storage(&failed)),
        Ok((at, answer)) => reply::Response::Query(proto::QueryResponse {
            header: Some(api.header(at.0)),
            staleness_ms: milliseconds(staleness),
            answer,
        }),
    }
}

fn page(range: RangeReply) -> proto::RangeResponse {
    let last = range
        .records
        .last()
        .filter(|_| range.more)
        .map(|last| Bytes::from(last.key.clone()));
    proto::RangeResponse {
        next_page: last.unwrap_or_default(),
        records: range.records.into_iter().map(record).collect(),
        count: range.count,
        more: range.more,
        ..proto::RangeResponse::default()
    }
}

fn record(found: KeyRecord) -> proto::Record {
    let record = found.record;
    proto::Record {
        key: found.key.into(),
        value: record.value.into(),
        create_revision: record.create_revision.0,
        mod_revision: record.mod_revision.0,
        version: record.version,
        lease: record.lease.map_or(0, |lease| lease.0),
        expires_at_ms: record.expires_at.map_or(0, |time| time.0),
        tags: record.tags,
    }
}

/// Rounded up: an answer is never staler than it says. The greatest number stands for an age that cannot be told.
pub(super) fn milliseconds(staleness: Duration) -> u64 {
    u64::try_from(staleness.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}
