//! A long-lived stream for one-request exchanges.
//!
//! openraft opens a "stream" for every heartbeat and every read-index round. Opening an HTTP/2 stream each time would
//! cost more than the heartbeat, so they share one: answers come in the order of the requests, and answers to requests
//! that were given up are skipped by counting.

use quorate_proto::internal as proto;
use quorate_proto::internal::raft_client::RaftClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// Requests that wait for the connection. More than a few mean that the peer is gone.
const QUEUED_MAX: usize = 16;

pub(super) struct Lane {
    requests: mpsc::Sender<proto::AppendRequest>,
    responses: Streaming<proto::AppendResponse>,
    sent: u64,
    received: u64,
}

impl Lane {
    /// Opens the stream. `stamp` adds the identity to the opening request.
    pub(super) async fn open(
        client: &mut RaftClient<Channel>,
        stamp: impl FnOnce(ReceiverStream<proto::AppendRequest>) -> Request<ReceiverStream<proto::AppendRequest>>,
    ) -> Result<Self, Status> {
        let (requests, queue) = mpsc::channel(QUEUED_MAX);
        let responses = client.append(stamp(ReceiverStream::new(queue))).await?.into_inner();
        Ok(Self {
            requests,
            responses,
            sent: 0,
            received: 0,
        })
    }

    /// Sends one request and waits for its answer. May be dropped at any point; the next call skips what this one
    /// left. After an error the lane is of no more use.
    pub(super) async fn exchange(&mut self, request: proto::AppendRequest) -> Result<proto::AppendResponse, Status> {
        self.requests
            .try_send(request)
            .map_err(|_| Status::unavailable("the peer has not answered the requests before"))?;
        self.sent += 1;
        let mine = self.sent;
        loop {
            let response = self
                .responses
                .message()
                .await?
                .ok_or_else(|| Status::unavailable("the peer closed the stream"))?;
            self.received += 1;
            if self.received == mine {
                return Ok(response);
            }
        }
    }
}
