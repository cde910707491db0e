//! Administration: status, members, leadership, snapshots.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use quorate_proto::v1::cluster_server::Cluster;
use quorate_proto::v1::{self as proto, Error, ErrorCode};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::api::Api;
use super::error::{self, invalid, refused};
use super::snapshot_save;
use crate::consensus::MembershipError;
use crate::types::MemberId;

/// Chunks of a snapshot read ahead of the network.
const CHUNKS_QUEUED_MAX: usize = 4;

/// The service for operators.
pub struct ClusterService(pub Arc<Api>);

impl ClusterService {
    fn changed(&self, result: Result<(), MembershipError>) -> Result<Response<proto::MemberChangeResponse>, Status> {
        result.map_err(|refused| error::status(error::membership(&refused, &self.0.roster)))?;
        Ok(Response::new(proto::MemberChangeResponse {
            header: Some(self.0.header_now()),
            members: members(&self.0),
        }))
    }
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn status(&self, _: Request<proto::StatusRequest>) -> Result<Response<proto::StatusResponse>, Status> {
        Ok(Response::new(status(&self.0)))
    }

    async fn member_list(
        &self,
        _: Request<proto::MemberListRequest>,
    ) -> Result<Response<proto::MemberListResponse>, Status> {
        Ok(Response::new(proto::MemberListResponse {
            header: Some(self.0.header_now()),
            members: members(&self.0),
        }))
    }

    async fn member_add(
        &self,
        request: Request<proto::MemberAddRequest>,
    ) -> Result<Response<proto::MemberChangeResponse>, Status> {
        let request = request.into_inner();
        check_address(&request.peer_address).map_err(error::status)?;
        self.changed(self.0.membership.add(request.member_id, &request.peer_address).await)
    }

    async fn member_promote(
        &self,
        request: Request<proto::MemberPromoteRequest>,
    ) -> Result<Response<proto::MemberChangeResponse>, Status> {
        self.changed(self.0.membership.promote(request.into_inner().member_id).await)
    }

    async fn member_remove(
        &self,
        request: Request<proto::MemberRemoveRequest>,
    ) -> Result<Response<proto::MemberChangeResponse>, Status> {
        self.changed(self.0.membership.remove(request.into_inner().member_id).await)
    }

    async fn member_replace(
        &self,
        request: Request<proto::MemberReplaceRequest>,
    ) -> Result<Response<proto::MemberChangeResponse>, Status> {
        let request = request.into_inner();
        let replacement = request
            .replacement
            .ok_or_else(|| error::status(invalid("replacement", "the member that takes the place is missing")))?;
        check_address(&replacement.peer_address).map_err(error::status)?;
        let replacing = self
            .0
            .membership
            .replace(request.member_id, replacement.member_id, &replacement.peer_address);
        self.changed(replacing.await)
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderResponse>, Status> {
        let to = Some(request.into_inner().member_id).filter(|id| *id != 0);
        let leader_id = self
            .0
            .membership
            .transfer(to)
            .await
            .map_err(|refused| error::status(error::membership(&refused, &self.0.roster)))?;
        Ok(Response::new(proto::TransferLeaderResponse {
            header: Some(self.0.header_now()),
            leader_id,
        }))
    }

    type SnapshotSaveStream = Pin<Box<dyn Stream<Item = Result<proto::SnapshotChunk, Status>> + Send>>;

    async fn snapshot_save(
        &self,
        _: Request<proto::SnapshotSaveRequest>,
    ) -> Result<Response<Self::SnapshotSaveStream>, Status> {
        let (chunks, queue) = mpsc::channel(CHUNKS_QUEUED_MAX);
        let store = Arc::clone(&self.0.store);
        tokio::task::spawn_blocking(move || snapshot_save::send(&store, &chunks));
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }
}

fn check_address(address: &str) -> Result<(), Error> {
    let well_formed = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) && !address.contains('/')
    });
    if well_formed {
        return Ok(());
    }
    Err(Error {
        field: "peer_address".into(),
        ..refused(ErrorCode::InvalidArgument, format!("{address:?} is not host:port"))
    })
}

fn status(api: &Api) -> proto::StatusResponse {
    let metrics = api.raft.metrics().borrow_watched().clone();
    let applied = api.store.applied();
    let mut alarms = Vec::new();
    if metrics.current_leader.is_none() {
        alarms.push(String::from("no leader is known"));
    }
    if api.no_space() {
        alarms.push(String::from(
            "the disks of a quorum are nearly full: writes that grow the store are refused",
        ));
    }
    if let Err(fatal) = &metrics.running_state {
        alarms.push(format!("consensus has stopped: {fatal}"));
    }
    proto::StatusResponse {
        header: Some(api.header_now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        leader_id: metrics.current_leader.unwrap_or(0),
        role: role(metrics.state).to_owned(),
        log_first_index: api.log.first_index().unwrap_or(0),
        log_last_index: metrics.last_log_index.unwrap_or(0),
        committed_index: metrics.local_committed.map_or(0, |id| id.index),
        applied_index: applied.index,
        snapshot_index: metrics.snapshot.map_or(0, |id| id.index),
        compacted_revision: applied.compacted.0,
        log_time_ms: applied.log_time.0,
        state_hash: applied.hash,
        log_bytes: api.log.disk_bytes(),
        state_bytes: api.store.engine().disk_bytes(),
        disk_free_bytes: api.disk_free_bytes(),
        clients: u32::try_from(applied.clients).unwrap_or(u32::MAX),
        alarms,
        wall_ms: api.tier.wall_ms(),
    }
}

fn role(state: ServerState) -> &'static str {
    match state {
        ServerState::Learner => "learner",
        ServerState::Follower => "follower",
        ServerState::Candidate => "candidate",
        ServerState::Leader => "leader",
        ServerState::Shutdown => "shutdown",
    }
}

fn members(api: &Api) -> Vec<proto::Member> {
    let metrics = api.raft.metrics().borrow_watched().clone();
    let membership = metrics.membership_config.membership();
    let voters: Vec<MemberId> = membership.voter_ids().collect();
    let replication = metrics.replication.clone().unwrap_or_default();
    let matched = |id: &MemberId| {
        if *id == metrics.id {
            metrics.last_log_index
        } else {
            replication.get(id).copied().flatten().map(|m| m.index)
        }
    };
    let member = |(id, member): (&MemberId, &crate::consensus::Member)| proto::Member {
        id: *id,
        peer_address: member.peer_address.clone(),
        client_address: member.client_address.clone(),
        directory_id: member.directory.to_string(),
        voter: voters.contains(id),
        matched_index: if metrics.replication.is_some() {
            matched(id).unwrap_or(0)
        } else {
            0
        },
        leader: metrics.current_leader == Some(*id),
    };
    membership.nodes().map(member).collect()
}
