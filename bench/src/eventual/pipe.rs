//! One connection with a stream of write requests, a fixed number of them under way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use prost::Message;
use quorate_proto::eventual::{EventualCall, eventual_call};
use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use quorate_proto::v1::eventual_reply::Response;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::figures::Tally;
use crate::load::Window;

/// A member that does not answer for so long has failed the run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A run of so many requests takes no longer.
const RUN_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a stream writes.
#[derive(Clone, Debug)]
pub(super) struct Writes {
    /// Keys that are written, at random.
    pub(super) keys: std::sync::Arc<[Bytes]>,
    pub(super) value: Bytes,
    pub(super) per_request: usize,
    pub(super) in_flight: usize,
}

/// A stream that was opened.
pub(super) struct Pipe {
    requests: mpsc::UnboundedSender<v1::EventualCalls>,
    replies: Streaming<v1::EventualReplies>,
    /// Requests that are under way, in the order in which they were sent, which is that of their answers.
    sent: VecDeque<(u64, Instant)>,
    next_id: u64,
    writes: Writes,
}

impl Pipe {
    pub(super) async fn open(channel: Channel, writes: Writes) -> Result<Pipe, String> {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let mut client = EventualClient::new(channel);
        let opened = client.open(UnboundedReceiverStream::new(outgoing)).await;
        let replies = opened.map_err(|status| format!("cannot open a stream: {}", status.message()))?;
        Ok(Pipe {
            requests,
            replies: replies.into_inner(),
            sent: VecDeque::new(),
            next_id: 1,
            writes,
        })
    }

    /// Writes until the window closes, and then waits for the last answers. A tally counts requests.
    pub(super) async fn run(mut self, window: Window) -> Result<Tally, String> {
        self.go_on(window, |_| Instant::now() < window.closes).await
    }

    /// Makes so many requests, as fast as they are answered.
    pub(super) async fn run_requests(mut self, requests: u64) -> Result<Tally, String> {
        let now = Instant::now();
        let window = Window {
            opens: now,
            closes: now + RUN_MAX,
        };
        self.go_on(window, |sent| sent < requests).await
    }

    /// Makes requests as long as `wanted` says of the number that were made.
    async fn go_on(&mut self, window: Window, wanted: impl Fn(u64) -> bool) -> Result<Tally, String> {
        let mut tally = Tally::default();
        loop {
            while self.sent.len() < self.writes.in_flight && wanted(self.next_id - 1) {
                self.send()?;
            }
            if self.sent.is_empty() {
                return Ok(tally);
            }
            let message = tokio::time::timeout(ANSWER_TIMEOUT, self.replies.next()).await;
            let message = message.map_err(|_| format!("no answer within {ANSWER_TIMEOUT:?}"))?;
            let replies = message.ok_or("the member closed the stream")?;
            let replies = replies.map_err(|status| format!("the stream broke: {}", status.message()))?;
            for reply in replies.replies {
                self.answered(reply, window, &mut tally)?;
            }
        }
    }

    fn send(&mut self) -> Result<(), String> {
        let keys = &self.writes.keys;
        let write = |_| v1::EventualWrite {
            key: keys[rand::random_range(0..keys.len())].clone(),
            change: Some(v1::eventual_write::Change::Put(v1::EventualPut {
                value: self.writes.value.clone(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let request = v1::EventualWriteRequest {
            writes: (0..self.writes.per_request).map(write).collect(),
            quiet: true,
            ..Default::default()
        };
        let call = EventualCall {
            id: self.next_id,
            request: Some(eventual_call::Request::Write(request.encode_to_vec().into())),
        };
        self.sent.push_back((self.next_id, Instant::now()));
        self.next_id += 1;
        let sent = self.requests.send(v1::EventualCalls { calls: vec![call] });
        sent.map_err(|_| "the stream has ended".to_owned())
    }

    fn answered(&mut self, reply: v1::EventualReply, window: Window, tally: &mut Tally) -> Result<(), String> {
        let (id, began) = self.sent.pop_front().ok_or("an answer to no request")?;
        if id != reply.id {
            return Err(format!("request {id} was answered as {}", reply.id));
        }
        let ended = Instant::now();
        if ended < window.opens || ended >= window.closes {
            return Ok(());
        }
        match reply.response {
            // A quiet request without results is one of which nothing was refused.
            Some(Response::Write(done)) if done.results.is_empty() && done.error.is_none() => {
                tally.answered(ended - began);
            }
            Some(Response::Error(error)) => tally.failed(error.message),
            Some(Response::Write(_)) => tally.failed("a write was refused".to_owned()),
            _ => return Err("a write was answered as something else".to_owned()),
        }
        Ok(())
    }
}
