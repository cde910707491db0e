//! Calls to one peer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use quorate_proto::internal as proto;
use quorate_proto::internal::raft_client::RaftClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::commits::with_next_entries;
use super::lane::Lane;
use super::patience::{Begin, with_patience};
use super::{Roster, Transport, snapshot_send, transport, wire};
use crate::consensus::{Backlog, Member, PurgePoint, TypeConfig, Vote};
use crate::failpoints;
use crate::state_machine::{RaftSnapshot, SnapshotFiles};
use crate::types::{DirectoryId, MemberId};

/// Larger than any message we send: entries are read in chunks of a mebibyte, but one entry may be larger.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Votes and transfers that take longer are of no more use.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// A member that is to be added may have been started a moment ago, and a packet that is lost on the way to it is sent again
/// after a second, which is as long as a connection may take to be made: it is called so often.
const IDENTIFY_CALLS_MAX: usize = 4;
const IDENTIFY_PAUSE: Duration = Duration::from_millis(100);

type RpcError = RPCError<TypeConfig>;

/// One connection to one peer.
pub struct PeerClient {
    roster: Arc<Roster>,
    target: MemberId,
    directory: DirectoryId,
    client: Option<RaftClient<Channel>>,
    address: String,
    heartbeats: bool,
    lane: Option<Lane>,
    backlog: Backlog,
    purge: PurgePoint,
}

impl PeerClient {
    pub(super) fn new(
        roster: Arc<Roster>,
        transport: &Arc<dyn Transport>,
        backlog: Backlog,
        purge: PurgePoint,
        target: MemberId,
        member: &Member,
    ) -> Self {
        // An address that does not parse was refused when the member was added; should one appear all the same, the
        // peer is unreachable.
        let client = transport::channel(transport, &member.peer_address, target)
            .ok()
            .map(|channel| {
                RaftClient::new(channel)
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX)
            });
        Self {
            roster,
            target,
            directory: member.directory,
            client,
            address: member.peer_address.clone(),
            heartbeats: false,
            lane: None,
            backlog,
            purge,
        }
    }

    pub(super) fn for_heartbeats(mut self) -> Self {
        self.heartbeats = true;
        self
    }

    fn connection(&mut self) -> Result<&mut RaftClient<Channel>, Status> {
        let address = &self.address;
        self.client
            .as_mut()
            .ok_or_else(|| Status::unavailable(format!("{address:?} is not an address")))
    }

    fn stamp<T>(&self, message: T) -> Request<T> {
        self.roster.stamp(message, self.target, self.directory)
    }

    /// Asks the leader for an index that is safe to read at.
    pub async fn read_index(&mut self, timeout: Duration) -> Result<u64, Status> {
        let mut request = self.stamp(proto::ReadIndexRequest {});
        request.set_timeout(timeout);
        Ok(self.connection()?.read_index(request).await?.into_inner().index)
    }

    /// Asks how the peer is.
    pub async fn report(&mut self) -> Result<proto::ReportResponse, Status> {
        let mut request = self.stamp(proto::ReportRequest {});
        request.set_timeout(CALL_TIMEOUT);
        Ok(self.connection()?.report(request).await?.into_inner())
    }

    /// Asks who answers at the peer's address; see `raft.proto`.
    pub async fn identify(&mut self, request: proto::IdentifyRequest) -> Result<proto::IdentifyResponse, Status> {
        let mut request = Request::new(request);
        request.set_timeout(CALL_TIMEOUT);
        let answer = self.connection()?.identify(request).await;
        // Why there is no connection is in the sources of the error only.
        Ok(answer
            .map_err(|status| Status::new(status.code(), reason(&status)))?
            .into_inner())
    }

    /// [`identify`](Self::identify), again a few times while nobody answers.
    pub async fn identify_newcomer(
        &mut self,
        request: proto::IdentifyRequest,
    ) -> Result<proto::IdentifyResponse, Status> {
        for _ in 1..IDENTIFY_CALLS_MAX {
            match self.identify(request).await {
                // No refusal: nobody answered, or the connection broke.
                Err(status) if matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown) => {
                    tokio::time::sleep(IDENTIFY_PAUSE).await;
                }
                answered => return answered,
            }
        }
        self.identify(request).await
    }

    /// One heartbeat or read-index probe over the shared lane.
    async fn heartbeat(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> Result<StreamAppendResult<TypeConfig>, RpcError> {
        if failpoints::pass("peer-heartbeat-send").await {
            return Err(unreachable(Status::unavailable("failpoint peer-heartbeat-send")));
        }
        let request = wire::append(request).map_err(|error| network(&error))?;
        if self.lane.is_none() {
            let (roster, target, directory) = (Arc::clone(&self.roster), self.target, self.directory);
            let client = self.connection().map_err(unreachable)?;
            let lane = Lane::open(client, |queue| roster.stamp(queue, target, directory)).await;
            self.lane = Some(lane.map_err(unreachable)?);
        }
        let Some(lane) = self.lane.as_mut() else {
            return Err(unreachable(Status::unavailable("no stream")));
        };
        let answer = match lane.exchange(request).await {
            Ok(response) => wire::appended_back(response).map_err(|error| network(&error)),
            Err(status) => Err(unreachable(status)),
        };
        // The peer ends the stream after it refused something, and so do we.
        if !matches!(answer, Ok(Ok(_))) {
            self.lane = None;
        }
        answer
    }

    /// Pipelined replication: as many requests in flight as openraft gives.
    async fn replicate<S>(
        &mut self,
        input: S,
    ) -> Result<BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if failpoints::pass("peer-append-send").await {
            return Err(unreachable(Status::unavailable("failpoint peer-append-send")));
        }
        // An entry that does not encode was never written to our own log either; end the stream rather than skip it.
        let begin = Begin::default();
        let told = begin.clone();
        let requests = with_next_entries(input.inspect(move |request| told.see(request)), self.backlog.clone())
            .map(wire::append)
            .take_while(|request| futures::future::ready(request.is_ok()));
        let requests = self.stamp(requests.filter_map(|request| futures::future::ready(request.ok())));
        let responses = self
            .connection()
            .map_err(unreachable)?
            .append(requests)
            .await
            .map_err(unreachable)?;
        let responses = responses.into_inner().map(|response| match response {
            Ok(response) => wire::appended_back(response).map_err(|error| network(&error)),
            Err(status) => Err(unreachable(status)),
        });
        Ok(with_patience(responses, begin, self.purge.clone()))
    }
}

impl RaftNetworkV2<TypeConfig> for PeerClient {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        Ok(match self.heartbeat(request).await? {
            Ok(matched) => AppendEntriesResponse::PartialSuccess(matched),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            if !self.heartbeats {
                return self
                    .replicate(input)
                    .await
                    .map(|responses| responses as BoxStream<'s, _>);
            }
            let Some(request) = input.next().await else {
                return Ok(futures::stream::empty().boxed());
            };
            let answer = self.heartbeat(request).await;
            Ok(futures::stream::once(futures::future::ready(answer)).boxed())
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        if failpoints::pass("peer-vote-send").await {
            return Err(unreachable(Status::unavailable("failpoint peer-vote-send")));
        }
        let mut request = self.stamp(wire::vote_request(&request));
        request.set_timeout(CALL_TIMEOUT);
        let response = self
            .connection()
            .map_err(unreachable)?
            .vote(request)
            .await
            .map_err(unreachable)?;
        wire::vote_response_back(response.into_inner()).map_err(|error| network(&error))
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        if failpoints::pass("peer-pre-vote-send").await {
            return Err(unreachable(Status::unavailable("failpoint peer-pre-vote-send")));
        }
        let mut request = self.stamp(wire::vote_request(&request));
        request.set_timeout(CALL_TIMEOUT);
        let response = self
            .connection()
            .map_err(unreachable)?
            .pre_vote(request)
            .await
            .map_err(unreachable)?;
        wire::vote_response_back(response.into_inner()).map_err(|error| network(&error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let (roster, target, directory) = (Arc::clone(&self.roster), self.target, self.directory);
        let stamp = snapshot_send::Stamp {
            roster,
            target,
            directory,
        };
        let client = self.connection().map_err(streaming)?;
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = snapshot_send::send(client, &stamp, &vote, &snapshot.snapshot) => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(status) => {
                    tracing::warn!(target, reason = describe(&status), "a snapshot could not be sent");
                    Err(streaming(status))
                }
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let mut message = self.stamp(wire::transfer(&request));
        message.set_timeout(CALL_TIMEOUT);
        let response = self
            .connection()
            .map_err(unreachable)?
            .transfer_leader(message)
            .await
            .map_err(unreachable)?;
        if response.into_inner().accepted {
            return Ok(Ok(()));
        }
        let expected = request.last_log_id().copied();
        Ok(Err(openraft::raft::TransferLeaderError::LogNotFlushed {
            expected,
            actual: None,
        }))
    }
}

fn unreachable(status: Status) -> RpcError {
    RPCError::Unreachable(Unreachable::from_string(describe(&status)))
}

fn streaming(status: Status) -> StreamingError<TypeConfig> {
    StreamingError::Unreachable(Unreachable::from_string(describe(&status)))
}

fn network(error: &(impl std::error::Error + 'static)) -> RpcError {
    RPCError::Network(NetworkError::new(error))
}

fn describe(status: &Status) -> String {
    match status.code() {
        Code::Unavailable => reason(status),
        code => format!("{code:?}: {}", reason(status)),
    }
}

/// What a status says, and what its sources say to it.
fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text
}
