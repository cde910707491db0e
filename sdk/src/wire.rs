//! What the pipelined streams of the two tiers have in common: calls with an id go out, replies with the same id come back.

use futures::future::BoxFuture;
use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::calls_client::CallsClient;
use quorate_proto::v1::eventual_client::EventualClient;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::connection::{Outgoing, REPLY_BYTES_MAX};

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
    /// Opens the stream.
    fn open(channel: Channel, outgoing: Outgoing<Self>)
    -> BoxFuture<'static, Result<Streaming<Self::Replies>, Status>>;
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
    ) -> BoxFuture<'static, Result<Streaming<v1::ReplyBatch>, Status>> {
        let mut calls = CallsClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        Box::pin(async move { calls.open(outgoing).await.map(tonic::Response::into_inner) })
    }
}

/// Calls of the eventual tier.
pub(crate) struct Eventual;

impl Wire for Eventual {
    type Request = v1::eventual_call::Request;
    type Response = v1::eventual_reply::Response;
    type Call = v1::EventualCall;
    type Calls = v1::EventualCalls;
    type Replies = v1::EventualReplies;
    const GREETS: bool = true;

    /// How long a member may wait is part of the request itself.
    fn call(request: Self::Request, _timeout_ms: u64) -> v1::EventualCall {
        v1::EventualCall {
            id: 0,
            request: Some(request),
        }
    }

    fn id(call: &v1::EventualCall) -> u64 {
        call.id
    }

    fn set_id(call: &mut v1::EventualCall, id: u64) {
        call.id = id;
    }

    fn message(calls: Vec<v1::EventualCall>) -> v1::EventualCalls {
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
    ) -> BoxFuture<'static, Result<Streaming<v1::EventualReplies>, Status>> {
        let mut calls = EventualClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        Box::pin(async move { calls.open(outgoing).await.map(tonic::Response::into_inner) })
    }
}
