//! What peers may call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use quorate_eventual::ActorId;
use quorate_proto::internal as proto;
use quorate_proto::internal::raft_server::{Raft as RaftRpc, RaftServer};
use tonic::{Request, Response, Status, Streaming};

use super::client::MESSAGE_BYTES_MAX;
use super::identity::check_sender;
use super::{Roster, snapshot_receive, wire};
use crate::codec;
use crate::consensus::{Raft, ReadGate};
use crate::failpoints;
use crate::space::Space;
use crate::state_machine::StateStore;

/// A follower's read waits no longer for the leader.
const READ_INDEX_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers [`proto::IdentifyRequest`]; the member decides, for it owns the data directory.
pub type Identify = Arc<dyn Fn(&proto::IdentifyRequest) -> Result<proto::IdentifyResponse, Status> + Send + Sync>;

/// The service for peers.
pub struct PeerService {
    raft: Raft,
    roster: Arc<Roster>,
    store: Arc<StateStore>,
    reads: ReadGate,
    space: Arc<Space>,
    process: ActorId,
    cache_lease_ms: u64,
    identify: Identify,
}

impl PeerService {
    /// The service, ready to be served.
    #[allow(clippy::too_many_arguments, reason = "called once, where a member is wired together")]
    pub fn server(
        raft: Raft,
        roster: Arc<Roster>,
        store: Arc<StateStore>,
        reads: ReadGate,
        space: Arc<Space>,
        process: ActorId,
        cache_lease_ms: u64,
        identify: Identify,
    ) -> RaftServer<Self> {
        RaftServer::new(Self {
            raft,
            roster,
            store,
            reads,
            space,
            process,
            cache_lease_ms,
            identify,
        })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl RaftRpc for PeerService {
    type AppendStream = Pin<Box<dyn Stream<Item = Result<proto::AppendResponse, Status>> + Send>>;

    async fn append(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        if failpoints::pass("peer-append-receive").await {
            return Err(Status::unavailable("failpoint peer-append-receive"));
        }
        let from = self.roster.check(&request)?;
        // A message that does not decode ends the stream; the leader opens another and sends again.
        let requests = request.into_inner().map(|message| {
            message.and_then(|message| wire::append_back(message).map_err(|e| Status::invalid_argument(e.to_string())))
        });
        let requests = requests.take_while(move |request| {
            if let Err(status) = request {
                tracing::debug!(from, %status, "the leader's stream ended");
            }
            futures::future::ready(request.is_ok())
        });
        let requests = requests.filter_map(|request| futures::future::ready(request.ok()));
        let responses = self.raft.stream_append(Box::pin(requests)).map(|result| match result {
            Ok(result) => Ok(wire::appended(result)),
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteResponse>, Status> {
        if failpoints::pass("peer-vote-receive").await {
            return Err(Status::unavailable("failpoint peer-vote-receive"));
        }
        self.roster.check(&request)?;
        let request = wire::vote_request_back(request.into_inner()).map_err(invalid)?;
        let response = self.raft.vote(request).await.map_err(unavailable)?;
        Ok(Response::new(wire::vote_response(&response)))
    }

    async fn pre_vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteResponse>, Status> {
        if failpoints::pass("peer-pre-vote-receive").await {
            return Err(Status::unavailable("failpoint peer-pre-vote-receive"));
        }
        self.roster.check(&request)?;
        let request = wire::vote_request_back(request.into_inner()).map_err(invalid)?;
        let response = self.raft.pre_vote(request).await.map_err(unavailable)?;
        Ok(Response::new(wire::vote_response(&response)))
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderResponse>, Status> {
        if failpoints::pass("peer-transfer-receive").await {
            return Err(Status::unavailable("failpoint peer-transfer-receive"));
        }
        self.roster.check(&request)?;
        let request = wire::transfer_back(request.into_inner()).map_err(invalid)?;
        let accepted = self
            .raft
            .handle_transfer_leader(request)
            .await
            .map_err(unavailable)?
            .is_ok();
        Ok(Response::new(proto::TransferLeaderResponse { accepted }))
    }

    async fn read_index(
        &self,
        request: Request<proto::ReadIndexRequest>,
    ) -> Result<Response<proto::ReadIndexResponse>, Status> {
        if failpoints::pass("peer-read-index-receive").await {
            return Err(Status::unavailable("failpoint peer-read-index-receive"));
        }
        self.roster.check(&request)?;
        let index = tokio::time::timeout(READ_INDEX_TIMEOUT, self.reads.leader_index())
            .await
            .map_err(|_| Status::deadline_exceeded("no quorum confirmed the leader in time"))?
            .map_err(unavailable)?;
        Ok(Response::new(proto::ReadIndexResponse { index }))
    }

    async fn snapshot_missing(
        &self,
        request: Request<proto::SnapshotManifest>,
    ) -> Result<Response<proto::SnapshotMissingFiles>, Status> {
        if failpoints::pass("peer-snapshot-missing").await {
            return Err(Status::unavailable("failpoint peer-snapshot-missing"));
        }
        self.roster.check(&request)?;
        let manifest = codec::decode(&request.into_inner().manifest).map_err(invalid)?;
        let store = Arc::clone(&self.store);
        let files = tokio::task::spawn_blocking(move || {
            let _one = store.snapshots().begin_receiving().ok_or_else(snapshot_receive::busy)?;
            snapshot_receive::missing(store.snapshots(), &manifest).map_err(|error| Status::internal(error.to_string()))
        })
        .await
        .map_err(|error| Status::internal(error.to_string()))??;
        Ok(Response::new(proto::SnapshotMissingFiles { files }))
    }

    async fn snapshot_send(
        &self,
        request: Request<Streaming<proto::SnapshotPart>>,
    ) -> Result<Response<proto::SnapshotInstalled>, Status> {
        if failpoints::pass("peer-snapshot-receive").await {
            return Err(Status::unavailable("failpoint peer-snapshot-receive"));
        }
        self.roster.check(&request)?;
        // A task of its own: the call ends where it is when the sender gives up, and what was received has to be cleared away.
        let installing = tokio::spawn(install(
            Arc::clone(&self.store),
            self.raft.clone(),
            request.into_inner(),
        ));
        let installed = installing.await.map_err(|error| Status::internal(error.to_string()))?;
        installed.map(Response::new)
    }

    async fn report(&self, request: Request<proto::ReportRequest>) -> Result<Response<proto::ReportResponse>, Status> {
        if failpoints::pass("peer-report-receive").await {
            return Err(Status::unavailable("failpoint peer-report-receive"));
        }
        self.roster.check(&request)?;
        let points = self.store.hash_points().into_iter();
        Ok(Response::new(proto::ReportResponse {
            low_on_space: self.space.is_low(),
            hash_points: points
                .map(|point| proto::HashPoint {
                    index: point.index,
                    hash: point.hash,
                })
                .collect(),
            process: self.process.0,
            cache_lease_ms: self.cache_lease_ms,
        }))
    }

    async fn identify(
        &self,
        request: Request<proto::IdentifyRequest>,
    ) -> Result<Response<proto::IdentifyResponse>, Status> {
        if failpoints::pass("peer-identify").await {
            return Err(Status::unavailable("failpoint peer-identify"));
        }
        check_sender(&request, request.get_ref().from)?;
        (self.identify)(request.get_ref()).map(Response::new)
    }
}

/// Receives a snapshot and takes it over; leaves nothing of it lying about.
async fn install(
    store: Arc<StateStore>,
    raft: Raft,
    parts: Streaming<proto::SnapshotPart>,
) -> Result<proto::SnapshotInstalled, Status> {
    let (vote, snapshot) = snapshot_receive::receive(&store, parts).await?;
    let accepted = snapshot.snapshot.directory.clone();
    let installed = raft.install_full_snapshot(vote, snapshot).await;
    // It was moved to its place if it was installed; if the sender no longer leads, nobody wants it.
    snapshot_receive::discard(&store, accepted).await?;
    let response = installed.map_err(unavailable)?;
    Ok(proto::SnapshotInstalled {
        vote: Some(wire::vote(&response.vote)),
    })
}

fn invalid(error: impl std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

fn unavailable(error: impl std::error::Error) -> Status {
    Status::unavailable(error.to_string())
}
