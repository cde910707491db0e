//! Questions to one peer.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use quorate_eventual::{Clock, ShardNumber};
use quorate_proto::internal as proto;
use quorate_proto::v1::MemberMemory;
use tonic::Status;

use super::clocks;
use crate::consensus::Member;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::eventual::Tier;
use crate::types::MemberId;

const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks peers.
#[derive(Clone)]
pub struct AskPeers {
    roster: Arc<Roster>,
    network: PeerNetwork,
}

impl AskPeers {
    /// Nobody is connected yet.
    pub fn new(roster: Arc<Roster>, network: PeerNetwork) -> Self {
        AskPeers { roster, network }
    }

    /// What the peer has in memory, or why it did not say.
    pub async fn memory(&self, id: MemberId, member: &Member) -> MemberMemory {
        self.ask_memory(id, member).await.unwrap_or_else(|status| MemberMemory {
            member_id: id,
            unreachable: status.message().to_owned(),
            ..MemberMemory::default()
        })
    }

    async fn ask_memory(&self, id: MemberId, member: &Member) -> Result<MemberMemory, Status> {
        let client = self.network.eventual_client(member);
        let mut client = client.ok_or_else(|| Status::unavailable("its address is none"))?;
        let mut request = self.roster.stamp(proto::MemoryRequest {}, id, member.directory);
        request.set_timeout(TIMEOUT);
        let answer = client.memory(request).await?.into_inner();
        MemberMemory::decode(answer.memory).map_err(|error| Status::internal(error.to_string()))
    }

    /// How far a peer has each shard, whoever wrote it.
    pub async fn shard_clocks(
        &self,
        tier: &Tier,
        id: MemberId,
        member: &Member,
    ) -> Result<Vec<(ShardNumber, Clock)>, Status> {
        let told = self.clocks(id, member).await?.clocks;
        let heard = told.iter().filter_map(|told| clocks::heard(tier, told).transpose());
        let heard: Result<_, _> = heard.collect();
        heard.map_err(|error| Status::resource_exhausted(error.to_string()))
    }

    /// Every clock of a peer, and which process it is.
    pub async fn clocks(&self, id: MemberId, member: &Member) -> Result<proto::ClocksResponse, Status> {
        let client = self.network.eventual_client(member);
        let mut client = client.ok_or_else(|| Status::unavailable("its address is none"))?;
        let mut request = self.roster.stamp(proto::ClocksRequest {}, id, member.directory);
        request.set_timeout(TIMEOUT);
        Ok(client.clocks(request).await?.into_inner())
    }
}
