//! What is kept of a call while it is worked on, so that it can be followed when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_proto::v1::{ClientStamp, Error, call, reply};
use quorate_proto::{CONNECTION_HEADER, RequestId, SPANS_HEADER};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::counted::{Began, code_of_answer, method_of};
use super::error;
use super::work::TIMEOUT_MAX;
use crate::environment::{Clock, Random, SystemClock, SystemRandom};
use crate::metrics::{RpcCounts, code_name};
use crate::request::{Ended, Passage, RequestName, Requests};
use crate::types::ClientId;

/// Metadata of an error of a unary call: the request's name.
pub(super) const REQUEST_HEADER: &str = "quorate-request";

/// Where a member keeps book of its calls.
pub(super) struct Books {
    /// How they ended.
    pub(super) rpc: Arc<RpcCounts>,
    pub(super) requests: Arc<Requests>,
    /// Names calls that come alone: this stands for their connection.
    process: u64,
    alone: AtomicU64,
}

impl Books {
    pub(super) fn new(requests: Arc<Requests>) -> Self {
        Self {
            rpc: Arc::default(),
            requests,
            process: SystemRandom.nonzero_u64(),
            alone: AtomicU64::new(0),
        }
    }

    /// A call that came alone.
    pub(super) fn alone(&self, request: &call::Request) -> Followed {
        let (caller, number) = self.next_alone();
        Followed::new(Some(request), caller, number)
    }

    /// The same where nothing is known but its method.
    pub(super) fn alone_of(&self, began: Began) -> Followed {
        let (caller, number) = self.next_alone();
        Followed::of(began, caller, number)
    }

    fn next_alone(&self) -> (Caller, u64) {
        let caller = Caller {
            connection: self.process,
            has_spans: false,
        };
        (caller, self.alone.fetch_add(1, Ordering::Relaxed))
    }
}

/// What calls come by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// The number of the connection.
    connection: u64,
    /// The client makes a span of each call.
    has_spans: bool,
}

impl Caller {
    /// A client says it when it opens a stream; one that gives its connection no number gets one.
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        let said = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        let given = said(CONNECTION_HEADER).and_then(|text| u64::from_str_radix(text, 16).ok());
        Self {
            connection: given.unwrap_or_else(|| SystemRandom.nonzero_u64()),
            has_spans: said(SPANS_HEADER) == Some("1"),
        }
    }
}

/// A call in work.
#[derive(Clone, Copy)]
pub(super) struct Followed {
    name: RequestName,
    began: Began,
    asked_to_wait: Duration,
    client_has_span: bool,
}

impl Followed {
    /// A call that has just arrived.
    pub(super) fn new(request: Option<&call::Request>, caller: Caller, call: u64) -> Self {
        Self {
            name: name_of(request, caller.connection, call),
            client_has_span: caller.has_spans,
            began: Began::now(method_of(request)),
            asked_to_wait: asked_to_wait(request),
        }
    }

    /// A call without a stamp: its connection and its number name it.
    pub(super) fn of(began: Began, caller: Caller, call: u64) -> Self {
        Self {
            name: RequestName::Call {
                connection: caller.connection,
                call,
            },
            client_has_span: caller.has_spans,
            began,
            asked_to_wait: Duration::ZERO,
        }
    }

    /// A call of a stream was answered, or refused.
    pub(super) fn answered(self, books: &Books, refused: Option<&Error>, passage: Passage) {
        let (at, code) = self.began.answered(&books.rpc, refused);
        books.requests.ended(&self.end(at, code, passage));
    }

    /// A call that came alone was answered; it is counted where its answer leaves.
    pub(super) fn answered_alone(self, books: &Books, answer: reply::Response, passage: Passage) -> Answer {
        match answer {
            reply::Response::Error(refused) => Err(self.refused_alone(books, refused, passage)),
            answer => {
                self.tell(books, None, passage);
                Ok(answer)
            }
        }
    }

    /// A call that came alone was refused.
    pub(super) fn refused_alone(self, books: &Books, refused: Error, passage: Passage) -> Status {
        self.tell(books, Some(&refused), passage);
        self.named(books, error::status(refused))
    }

    /// A call was answered whose head says how; what is returned is its name.
    pub(super) fn ended(self, books: &Books, code: Code) -> RequestName {
        let at = self.began.ended(&books.rpc, code);
        books.requests.ended(&self.end(at, code, Passage::AtOnce));
        self.name
    }

    fn tell(self, books: &Books, refused: Option<&Error>, passage: Passage) {
        let (at, code) = (SystemClock.monotonic(), code_of_answer(refused));
        books.requests.ended(&self.end(at, code, passage));
    }

    fn named(self, books: &Books, mut status: Status) -> Status {
        let id: RequestId = books.requests.id_of(self.name);
        if let Ok(value) = MetadataValue::try_from(id.to_string()) {
            status.metadata_mut().insert(REQUEST_HEADER, value);
        }
        status
    }

    fn end(self, at: Duration, code: Code, passage: Passage) -> Ended {
        Ended {
            name: self.name,
            method: self.began.method().name(),
            code: code_name(code as i32),
            began: self.began.at(),
            at,
            asked_to_wait: self.asked_to_wait,
            client_has_span: self.client_has_span,
            passage,
        }
    }
}

/// The answer of a call that came alone.
pub(super) type Answer = Result<reply::Response, Status>;

fn name_of(request: Option<&call::Request>, connection: u64, call: u64) -> RequestName {
    match request.and_then(stamp_of) {
        Some(stamp) => RequestName::Mutation {
            client: ClientId(stamp.client_id),
            sequence: stamp.sequence,
        },
        None => RequestName::Call { connection, call },
    }
}

fn stamp_of(request: &call::Request) -> Option<&ClientStamp> {
    match request {
        call::Request::Put(put) => put.stamp.as_ref(),
        call::Request::Delete(delete) => delete.stamp.as_ref(),
        call::Request::Txn(txn) => txn.stamp.as_ref(),
        call::Request::DomainCreate(create) => create.stamp.as_ref(),
        call::Request::DomainChange(change) => change.stamp.as_ref(),
        call::Request::DomainDrop(drop) => drop.stamp.as_ref(),
        call::Request::Get(_)
        | call::Request::Range(_)
        | call::Request::Compact(_)
        | call::Request::RegisterClient(_)
        | call::Request::KeepAlive(_)
        | call::Request::Query(_)
        | call::Request::DomainList(_)
        | call::Request::DomainGet(_) => None,
    }
}

fn asked_to_wait(request: Option<&call::Request>) -> Duration {
    match request {
        Some(call::Request::Query(query)) => Duration::from_millis(query.wait_ms).min(TIMEOUT_MAX),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use quorate_proto::v1::{GetRequest, PutRequest};

    use super::*;

    #[test]
    fn a_stamped_call_is_named_by_its_stamp_and_any_other_by_its_connection() {
        let stamp = ClientStamp {
            client_id: 4096,
            sequence: 3,
            answered_up_to: 0,
        };
        let put = |stamp| {
            call::Request::Put(PutRequest {
                stamp,
                ..PutRequest::default()
            })
        };
        let of_call = RequestName::Call { connection: 9, call: 1 };
        let of_stamp = RequestName::Mutation {
            client: ClientId(4096),
            sequence: 3,
        };
        assert_eq!(name_of(Some(&put(Some(stamp))), 9, 1), of_stamp);
        assert_eq!(name_of(Some(&put(None)), 9, 1), of_call);
        assert_eq!(name_of(Some(&call::Request::Get(GetRequest::default())), 9, 1), of_call);
        assert_eq!(name_of(None, 9, 1), of_call);
    }

    #[test]
    fn a_connection_has_the_number_that_its_client_gave_it() {
        let mut metadata = MetadataMap::new();
        assert_ne!(Caller::of(&metadata).connection, Caller::of(&metadata).connection);
        assert!(!Caller::of(&metadata).has_spans);
        metadata.insert(CONNECTION_HEADER, MetadataValue::from_static("00000000000000ff"));
        metadata.insert(SPANS_HEADER, MetadataValue::from_static("1"));
        assert_eq!(Caller::of(&metadata).connection, 255);
        assert!(Caller::of(&metadata).has_spans);
        metadata.insert(CONNECTION_HEADER, MetadataValue::from_static("many"));
        assert_ne!(Caller::of(&metadata).connection, 255);
    }
}
