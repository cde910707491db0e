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

/// Clocks of shards that a member has something of.
pub type Clocks = Vec<(ShardNumber, Clock)>;

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
        let client = self.network.eventual_client(id, member);
        let mut client = client.ok_or_else(|| Status::unavailable("its address is none"))?;
        let mut request = self.roster.stamp(proto::MemoryRequest {}, id, member.directory);
        request.set_timeout(TIMEOUT);
        let answer = client.memory(request).await?.into_inner();
        MemberMemory::decode(answer.memory).map_err(|error| Status::internal(error.to_string()))
    }

    /// What every other member has at this moment, asked at the same time; none of one that does not answer.
    pub async fn all_clocks(&self, tier: &Tier) -> Vec<(MemberId, Option<Clocks>)> {
        let (members, me) = (self.roster.members(), self.roster.me().member);
        let each = members
            .iter()
            .filter(|(id, _)| **id != me)
            .map(|(id, member)| async move {
                let answer = self.clocks(*id, member).await.ok();
                (*id, answer.and_then(|answer| heard_all(tier, &answer)))
            });
        futures::future::join_all(each).await
    }

    /// Every clock of a peer, and which process it is.
    pub async fn clocks(&self, id: MemberId, member: &Member) -> Result<proto::ClocksResponse, Status> {
        let client = self.network.eventual_client(id, member);
        let mut client = client.ok_or_else(|| Status::unavailable("its address is none"))?;
        let mut request = self.roster.stamp(proto::ClocksRequest {}, id, member.directory);
        request.set_timeout(TIMEOUT);
        Ok(client.clocks(request).await?.into_inner())
    }
}

fn heard_all(tier: &Tier, answer: &proto::ClocksResponse) -> Option<Clocks> {
    let heard = answer.clocks.iter().map(|told| clocks::heard(tier, told));
    let heard: Result<Vec<_>, _> = heard.collect();
    Some(heard.ok()?.into_iter().flatten().collect())
}
