//! Makes the connections to one peer.

use std::sync::Arc;

use openraft::network::RaftNetworkFactory;
use quorate_proto::internal::caches_client::CachesClient;
use quorate_proto::internal::eventual_client::EventualClient;
use tonic::transport::Channel;

use super::client::MESSAGE_BYTES_MAX;
use super::{PeerClient, Roster, Transport, transport};
use crate::consensus::{Backlog, Member, PurgePoint, TypeConfig};
use crate::types::MemberId;

/// Connects to peers. Replication, heartbeats and snapshots each get a connection of their own.
#[derive(Clone)]
pub struct PeerNetwork {
    roster: Arc<Roster>,
    transport: Arc<dyn Transport>,
    backlog: Backlog,
    purge: PurgePoint,
}

impl PeerNetwork {
    /// Nothing is connected yet. `backlog` is that of this member's proposer.
    pub fn new(roster: Arc<Roster>, transport: Arc<dyn Transport>, backlog: Backlog) -> Self {
        Self {
            roster,
            transport,
            backlog,
            purge: PurgePoint::default(),
        }
    }

    /// Up to where this member wants to purge its log, for it to set: a peer that lacks more is sent a snapshot in the end.
    pub fn purge_point(&self) -> &PurgePoint {
        &self.purge
    }

    /// A client of its own for `member`.
    pub fn client(&self, target: MemberId, member: &Member) -> PeerClient {
        PeerClient::new(
            Arc::clone(&self.roster),
            &self.transport,
            self.backlog.clone(),
            self.purge.clone(),
            target,
            member,
        )
    }

    /// A connection of its own for the eventual tier; none if the member's address is none.
    pub fn eventual_client(&self, target: MemberId, member: &Member) -> Option<EventualClient<Channel>> {
        let channel = transport::channel(&self.transport, &member.peer_address, target).ok()?;
        Some(EventualClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// A connection of its own to the caches of `member`; none if the member's address is none.
    pub fn caches_client(&self, target: MemberId, member: &Member) -> Option<CachesClient<Channel>> {
        let channel = transport::channel(&self.transport, &member.peer_address, target).ok()?;
        Some(CachesClient::new(channel))
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = PeerClient;

    async fn new_client(&mut self, target: MemberId, member: &Member) -> PeerClient {
        self.client(target, member)
    }

    async fn new_heartbeat_client(&mut self, target: MemberId, member: &Member) -> PeerClient {
        self.client(target, member).for_heartbeats()
    }
}
