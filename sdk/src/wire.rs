//! What the pipelined streams of the two tiers have in common: calls with an id go out, replies with the same id come back.

use bytes::Bytes;
use futures::future::BoxFuture;
use prost::Message;
use quorate_proto::eventual::{EventualCall, eventual_call};
use quorate_proto::v1;
use quorate_proto::v1::calls_client::CallsClient;
use quorate_proto::v1::eventual_client::EventualClient;
use quorate_proto::{CONNECTION_HEADER, SPANS_HEADER};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::connection::{Outgoing, REPLY_BYTES_MAX};
use crate::followed;

/// Of `writes` in an `EventualWriteRequest`.
const WRITES_TAG: u32 = 2;

/// The protocol of one stream.
pub(crate) trait Wire: Sized + Send + Sync + 'static {
    /// What is asked.
    type Request: Send;
    /// What is answered.
    type Response: std::fmt::Debug + Send;
    /// A request with its id.
    type Call: Message;
    /// A message of calls.
    type Calls: Send + 'static;
    /// A message of replies.
    type Replies: Send + 'static;
    /// Whether the first message that comes back is a hello.
    const GREETS: bool;

    /// A call whose id is not set yet.
    fn call(request: Self::Request, timeout_ms: u64) -> Self::Call;
    fn id(call: &Self::Call) -> u64;
    fn set_id(call: &mut Self::Call, id: u64);
    fn message(calls: Vec<Self::Call>) -> Self::Calls;
    /// The replies with their ids. One that is empty comes from a member whose answer is of a kind that this client does
    /// not know: it becomes an error without a code.
    fn responses(replies: Self::Replies) -> impl Iterator<Item = (u64, Self::Response)>;
    /// The process that says hello.
    fn process(replies: &Self::Replies) -> Option<u64>;
    /// Opens the stream of a connection of this number.
    fn open(
        channel: Channel,
        outgoing: Outgoing<Self>,
        number: u64,
    ) -> BoxFuture<'static, Result<Streaming<Self::Replies>, Status>>;
}

/// Calls of the strong tier.
pub(crate) struct Strong;

impl Wire for Strong {
    type Request = v1::call::Request;
    type Response = v1::reply::Response;
    type Call = v1::Call;
    type Calls = v1::CallBatch;
    type Replies = v1::ReplyBatch;
    const GREETS: bool = false;

    fn call(request: Self::Request, timeout_ms: u64) -> v1::Call {
        v1::Call {
            id: 0,
            timeout_ms,
            request: Some(request),
        }
    }

    fn id(call: &v1::Call) -> u64 {
        call.id
    }

    fn set_id(call: &mut v1::Call, id: u64) {
        call.id = id;
    }

    fn message(calls: Vec<v1::Call>) -> v1::CallBatch {
        v1::CallBatch { calls }
    }

    fn responses(replies: v1::ReplyBatch) -> impl Iterator<Item = (u64, Self::Response)> {
        let unknown = || v1::reply::Response::Error(v1::Error::default());
        let replies = replies.replies.into_iter();
        replies.map(move |reply| (reply.id, reply.response.unwrap_or_else(unknown)))
    }

    fn process(_: &v1::ReplyBatch) -> Option<u64> {
        None
    }

    fn open(
        channel: Channel,
        outgoing: Outgoing<Self>,
        number: u64,
    ) -> BoxFuture<'static, Result<Streaming<v1::ReplyBatch>, Status>> {
        let mut calls = CallsClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        let mut request = tonic::Request::new(outgoing);
        let metadata = request.metadata_mut();
        if let Ok(number) = MetadataValue::try_from(format!("{number:016x}")) {
            metadata.insert(CONNECTION_HEADER, number);
        }
        if followed::wanted() {
            metadata.insert(SPANS_HEADER, MetadataValue::from_static("1"));
        }
        Box::pin(async move { calls.open(request).await.map(tonic::Response::into_inner) })
    }
}

/// What the eventual tier is asked.
#[derive(Clone, Debug)]
pub(crate) enum EventualRequest {
    /// Writes.
    Write(EventualWrites),
    /// Reads.
    Read(v1::EventualReadRequest),
    /// Scans.
    Scan(v1::EventualScanRequest),
}

/// Writes, encoded once for all attempts.
#[derive(Clone, Debug)]
pub(crate) struct EventualWrites {
    /// The request without them: an attempt may carry something else than the one before.
    pub(crate) head: v1::EventualWriteRequest,
    /// The field that they are in, as often as there are writes.
    writes: Bytes,
    /// One of them is an addition.
    pub(crate) adds: bool,
}

impl EventualWrites {
    pub(crate) fn new(mut request: v1::EventualWriteRequest) -> (Self, Vec<v1::EventualWrite>) {
        let writes = std::mem::take(&mut request.writes);
        let length =
            |write: &v1::EventualWrite| write.encoded_len() + 1 + prost::length_delimiter_len(write.encoded_len());
        let mut bytes = Vec::with_capacity(writes.iter().map(length).sum());
        for write in &writes {
            prost::encoding::message::encode(WRITES_TAG, write, &mut bytes);
        }
        let is_addition = |write: &v1::EventualWrite| matches!(write.change, Some(v1::eventual_write::Change::Add(_)));
        let encoded = EventualWrites {
            head: request,
            writes: bytes.into(),
            adds: writes.iter().any(is_addition),
        };
        (encoded, writes)
    }

    /// Fields of a message may come in any order.
    fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.head.encoded_len() + self.writes.len());
        bytes.extend_from_slice(&self.writes);
        // Into a vector it always fits.
        let _ = self.head.encode(&mut bytes);
        bytes.into()
    }
}

/// Calls of the eventual tier.
pub(crate) struct Eventual;

impl Wire for Eventual {
    type Request = EventualRequest;
    type Response = v1::eventual_reply::Response;
    type Call = EventualCall;
    type Calls = v1::EventualCalls;
    type Replies = v1::EventualReplies;
    const GREETS: bool = true;

    /// How long a member may wait is part of the request itself.
    fn call(request: Self::Request, _timeout_ms: u64) -> EventualCall {
        let request = match request {
            EventualRequest::Write(writes) => eventual_call::Request::Write(writes.encode()),
            EventualRequest::Read(read) => eventual_call::Request::Read(read),
            EventualRequest::Scan(scan) => eventual_call::Request::Scan(scan),
        };
        EventualCall {
            id: 0,
            request: Some(request),
        }
    }

    fn id(call: &EventualCall) -> u64 {
        call.id
    }

    fn set_id(call: &mut EventualCall, id: u64) {
        call.id = id;
    }

    fn message(calls: Vec<EventualCall>) -> v1::EventualCalls {
        v1::EventualCalls { calls }
    }

    fn responses(replies: v1::EventualReplies) -> impl Iterator<Item = (u64, Self::Response)> {
        let unknown = || v1::eventual_reply::Response::Error(v1::Error::default());
        let replies = replies.replies.into_iter();
        replies.map(move |reply| (reply.id, reply.response.unwrap_or_else(unknown)))
    }

    fn process(replies: &v1::EventualReplies) -> Option<u64> {
        replies.hello.as_ref().map(|hello| hello.process)
    }

    fn open(
        channel: Channel,
        outgoing: Outgoing<Self>,
        _: u64,
    ) -> BoxFuture<'static, Result<Streaming<v1::EventualReplies>, Status>> {
        let mut calls = EventualClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        Box::pin(async move { calls.open(outgoing).await.map(tonic::Response::into_inner) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_that_were_encoded_before_are_read_with_what_an_attempt_carries() {
        let write = |key: &'static str, change| v1::EventualWrite {
            key: key.into(),
            change: Some(change),
            ..Default::default()
        };
        let request = v1::EventualWriteRequest {
            domain: "cache".to_owned(),
            writes: vec![
                write("a", v1::eventual_write::Change::Put(v1::EventualPut::default())),
                write("b", v1::eventual_write::Change::Add(-1)),
            ],
            quiet: true,
            ..Default::default()
        };
        let (mut encoded, writes) = EventualWrites::new(request.clone());
        assert!(encoded.adds);
        assert_eq!(writes, request.writes);
        encoded.head.token = "seen".into();
        let expected = v1::EventualWriteRequest {
            token: "seen".into(),
            ..request
        };
        assert_eq!(v1::EventualWriteRequest::decode(encoded.encode()), Ok(expected));
    }
}
