//! The administration of a fake member.

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::cluster_server::Cluster;
use tonic::{Request, Response, Status};

use super::member::Service;

impl Service {
    fn members(&self) -> Vec<v1::Member> {
        let addresses = self.0.addresses.lock().clone();
        let member = |(index, client_address)| v1::Member {
            id: index as u64 + 1,
            client_address,
            ..Default::default()
        };
        addresses.into_iter().enumerate().map(member).collect()
    }

    /// As the real one: the refusal travels in the details of the status.
    fn change(&self, added: Option<(u64, String)>) -> Result<Response<v1::MemberChangeResponse>, Status> {
        if !self.0.leads() {
            let details: Bytes = self.0.not_leader().encode_to_vec().into();
            return Err(Status::with_details(
                tonic::Code::FailedPrecondition,
                "not the leader",
                details,
            ));
        }
        let mut members = self.members();
        members.extend(added.map(|(id, peer_address)| v1::Member {
            id,
            peer_address,
            ..Default::default()
        }));
        Ok(Response::new(v1::MemberChangeResponse { header: None, members }))
    }
}

#[tonic::async_trait]
impl Cluster for Service {
    type SnapshotSaveStream = Pin<Box<dyn Stream<Item = Result<v1::SnapshotChunk, Status>> + Send>>;

    async fn status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let role = if self.0.leads() { "leader" } else { "follower" };
        let header = self.0.store.lock().header();
        Ok(Response::new(v1::StatusResponse {
            header,
            role: role.to_owned(),
            leader_id: 1,
            ..Default::default()
        }))
    }

    async fn member_list(&self, _: Request<v1::MemberListRequest>) -> Result<Response<v1::MemberListResponse>, Status> {
        Ok(Response::new(v1::MemberListResponse {
            header: None,
            members: self.members(),
        }))
    }

    async fn member_add(
        &self,
        request: Request<v1::MemberAddRequest>,
    ) -> Result<Response<v1::MemberChangeResponse>, Status> {
        let request = request.into_inner();
        self.change(Some((request.member_id, request.peer_address)))
    }

    async fn member_promote(
        &self,
        _: Request<v1::MemberPromoteRequest>,
    ) -> Result<Response<v1::MemberChangeResponse>, Status> {
        self.change(None)
    }

    async fn member_remove(
        &self,
        _: Request<v1::MemberRemoveRequest>,
    ) -> Result<Response<v1::MemberChangeResponse>, Status> {
        let mut refusal = v1::Error {
            message: "the quorum would be lost".to_owned(),
            ..Default::default()
        };
        refusal.set_code(v1::ErrorCode::MembershipRefused);
        let details: Bytes = refusal.encode_to_vec().into();
        Err(Status::with_details(
            tonic::Code::FailedPrecondition,
            "refused",
            details,
        ))
    }

    async fn member_replace(
        &self,
        request: Request<v1::MemberReplaceRequest>,
    ) -> Result<Response<v1::MemberChangeResponse>, Status> {
        let replacement = request.into_inner().replacement.unwrap();
        self.change(Some((replacement.member_id, replacement.peer_address)))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        let leader_id = request.into_inner().member_id;
        Ok(Response::new(v1::TransferLeaderResponse {
            header: None,
            leader_id,
        }))
    }

    async fn snapshot_save(
        &self,
        _: Request<v1::SnapshotSaveRequest>,
    ) -> Result<Response<Self::SnapshotSaveStream>, Status> {
        // The checksums are of "123456789" (the check value of CRC-32C) and of nothing; a follower's is damaged.
        let crc32c = if self.0.leads() { 0xe306_9283 } else { 1 };
        let data = Bytes::from_static(b"123456789");
        let manifest = v1::SnapshotChunk {
            manifest: Bytes::from_static(b"{}"),
            ..Default::default()
        };
        let chunk = |file: &str, offset, data, crc32c| {
            Ok(v1::SnapshotChunk {
                file: file.to_owned(),
                offset,
                data,
                crc32c,
                ..Default::default()
            })
        };
        let chunks = vec![
            Ok(manifest),
            chunk("CURRENT", 0, data.clone(), crc32c),
            chunk("CURRENT", 9, data.clone(), crc32c),
            chunk("sub/000001.sst", 0, Bytes::new(), 0),
        ];
        Ok(Response::new(Box::pin(futures::stream::iter(chunks))))
    }
}
