//! Which calls are large: they have a connection of their own, because what one stream carries comes in order, and a large
//! message delays whatever is behind it.
//!
//! A read of one key is taken for small, whatever its value is: that cannot be known before. So a small call waits for at
//! most the values of the single keys read beside it, of 1 MiB each unless the cluster allows more.

use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::operation::Operation;

/// Calls that send more than this, in bytes, are large.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Reads and claims of more than this many things are large: how much they bring is not known before.
const SMALL_COUNT_MAX: u64 = 64;

/// How much a call sends or brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    /// It delays nobody.
    Small,
    /// It may.
    Large,
}

impl Bulk {
    /// Of a call, by what it sends and what it asks for.
    pub(crate) fn of(request: &Request) -> Self {
        let large = match request {
            Request::Put(put) => put.key.len() + put.value.len() > SMALL_BYTES_MAX,
            Request::Delete(delete) => brings_many(delete),
            Request::Range(range) => is_wide(range),
            Request::Txn(txn) => is_large(txn),
            Request::Query(query) => query.wait_ms == 0 && lists(query),
            Request::Get(_)
            | Request::Compact(_)
            | Request::RegisterClient(_)
            | Request::KeepAlive(_)
            | Request::DomainList(_)
            | Request::DomainCreate(_)
            | Request::DomainGet(_)
            | Request::DomainChange(_)
            | Request::DomainDrop(_) => false,
        };
        if large { Self::Large } else { Self::Small }
    }
}

/// The records that it deletes come back.
fn brings_many(delete: &v1::DeleteRequest) -> bool {
    delete.previous && !is_one(delete.keys.as_ref())
}

fn is_wide(range: &v1::RangeRequest) -> bool {
    let is_unbounded = range.limit == 0 || range.limit > SMALL_COUNT_MAX;
    is_unbounded && !range.count_only && !is_one(range.keys.as_ref())
}

fn is_one(keys: Option<&v1::KeySelector>) -> bool {
    use v1::key_selector::Kind;
    matches!(keys.and_then(|keys| keys.kind.as_ref()), Some(Kind::Key(_)))
}

fn is_large(txn: &v1::TxnRequest) -> bool {
    let brings_much = |operation: &v1::Operation| match &operation.operation {
        Some(Operation::Range(range)) => is_wide(range),
        Some(Operation::Delete(delete)) => brings_many(delete),
        Some(Operation::Queue(queue)) => match &queue.operation {
            Some(v1::queue_operation::Operation::Claim(claim)) => claim.count > SMALL_COUNT_MAX as u32,
            _ => false,
        },
        _ => false,
    };
    let operations = || txn.then.iter().chain(&txn.otherwise);
    operations().any(brings_much) || txn.encoded_len() > SMALL_BYTES_MAX
}

/// Pages of items, workers, assignments and locks.
fn lists(query: &v1::QueryRequest) -> bool {
    use v1::query_request::Query;
    match &query.query {
        Some(Query::Queue(queue)) => matches!(queue.query, Some(v1::queue_query::Query::Peek(_))),
        Some(Query::Worker(worker)) => {
            use v1::worker_query::Query::{Assignments, List};
            matches!(worker.query, Some(Assignments(_) | List(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put(bytes: usize) -> v1::PutRequest {
        v1::PutRequest {
            value: Bytes::from(vec![7; bytes]),
            ..v1::PutRequest::default()
        }
    }

    fn txn(operation: Operation) -> Request {
        let operation = v1::Operation {
            operation: Some(operation),
        };
        Request::Txn(v1::TxnRequest {
            otherwise: vec![operation.clone(), operation],
            ..v1::TxnRequest::default()
        })
    }

    #[test]
    fn calls_are_large_by_what_they_send() {
        assert_eq!(Bulk::of(&Request::Put(put(SMALL_BYTES_MAX))), Bulk::Small);
        assert_eq!(Bulk::of(&Request::Put(put(SMALL_BYTES_MAX + 1))), Bulk::Large);
        assert_eq!(
            Bulk::of(&txn(Operation::Put(put(SMALL_BYTES_MAX / 2 - 100)))),
            Bulk::Small
        );
        assert_eq!(Bulk::of(&txn(Operation::Put(put(SMALL_BYTES_MAX / 2)))), Bulk::Large);
        let sync = v1::QueueSync {
            enqueue: vec![v1::QueueSyncItem {
                item: Some(v1::QueueNewItem {
                    payload: Bytes::from(vec![7; SMALL_BYTES_MAX / 2]),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        };
        let sync = Operation::Queue(v1::QueueOperation {
            operation: Some(v1::queue_operation::Operation::Sync(sync)),
        });
        assert_eq!(Bulk::of(&txn(sync)), Bulk::Large);
    }

    #[test]
    fn calls_are_large_by_what_they_may_bring() {
        let range = |limit, count_only| v1::RangeRequest {
            limit,
            count_only,
            ..v1::RangeRequest::default()
        };
        let cases = [
            (range(0, false), Bulk::Large),
            (range(0, true), Bulk::Small),
            (range(10, false), Bulk::Small),
            (range(1_000, false), Bulk::Large),
        ];
        for (range, bulk) in cases {
            assert_eq!(Bulk::of(&txn(Operation::Range(range.clone()))), bulk, "{range:?}");
            assert_eq!(Bulk::of(&Request::Range(range.clone())), bulk, "{range:?}");
        }
        // As a compare-and-swap reads what it found instead.
        let mut one = range(0, false);
        one.keys = Some(v1::KeySelector {
            kind: Some(v1::key_selector::Kind::Key(Bytes::from("k"))),
        });
        assert_eq!(Bulk::of(&txn(Operation::Range(one))), Bulk::Small);
    }
}
