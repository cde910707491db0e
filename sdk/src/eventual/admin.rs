//! What the members' eventual tiers are doing: how far they have what the others have, and what is in their memory.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use tonic::transport::Channel;

use super::sync::{HealReport, MemberMemory, PeerSync, SyncStatus};
use crate::call::Nature;
use crate::connection::REPLY_BYTES_MAX;
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Questions to one member, by its address (`host:port`). Each is asked once.
#[derive(Clone)]
pub struct EventualAdmin {
    core: Arc<Core>,
}

impl EventualAdmin {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// How far the member at `endpoint` and each other have what the other has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionLost`] when it cannot be reached.
    pub async fn sync_status(&self, endpoint: &str) -> Result<SyncStatus> {
        let timeout = self.core.call_timeout;
        let request = v1::SyncStatusRequest {};
        let status = self.ask(endpoint, timeout, request, |mut member, request| async move {
            member.sync_status(request).await
        });
        Ok(status.await?.into())
    }

    /// Has the member at `endpoint` compare clocks with the others now; returns when it has what they had, and they what it
    /// had. `within` is at most a minute.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DeadlineExceeded`] or [`ErrorKind::Unavailable`] if that took longer, or a member cannot be reached.
    pub async fn sync_force(&self, endpoint: &str, within: Duration) -> Result<Vec<PeerSync>> {
        let timeout_ms = whole_ms(within).max(1);
        // The member's own answer, which says who was missing, should come before this client gives up.
        let timeout = within + self.core.attempt_timeout;
        let request = v1::SyncForceRequest { timeout_ms };
        let forced = self.ask(endpoint, timeout, request, |mut member, request| async move {
            member.sync_force(request).await
        });
        Ok(forced.await?.peers.into_iter().map(PeerSync::from).collect())
    }

    /// What the member at `endpoint` has in memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionLost`] when it cannot be reached.
    pub async fn memory(&self, endpoint: &str) -> Result<MemberMemory> {
        let members = self.ask_memory(endpoint, false).await?;
        members.into_iter().next().ok_or_else(|| {
            let message = "the member answered without its memory";
            Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)
        })
    }

    /// What every member has in memory, as the one at `endpoint` collects it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionLost`] when that one cannot be reached; others that cannot say so in their own row.
    pub async fn cluster_memory(&self, endpoint: &str) -> Result<Vec<MemberMemory>> {
        self.ask_memory(endpoint, true).await
    }

    async fn ask_memory(&self, endpoint: &str, cluster: bool) -> Result<Vec<MemberMemory>> {
        let timeout = self.core.call_timeout;
        let request = v1::MemoryRequest { cluster };
        let memory = self.ask(endpoint, timeout, request, |mut member, request| async move {
            member.memory(request).await
        });
        Ok(memory.await?.members.into_iter().map(MemberMemory::from).collect())
    }

    async fn ask<Q, R, F>(
        &self,
        endpoint: &str,
        timeout: Duration,
        message: Q,
        send: impl Fn(EventualClient<Channel>, tonic::Request<Q>) -> F,
    ) -> Result<R>
    where
        F: Future<Output = std::result::Result<tonic::Response<R>, tonic::Status>>,
    {
        let _running = self.core.begin(Nature::Read)?;
        let endpoint = self.core.routing.known_or_new(endpoint)?;
        let mut request = tonic::Request::new(message);
        request.set_timeout(timeout);
        let answered = match tokio::time::timeout(timeout, send(member_at(&endpoint), request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Error::of_status(&status).with_context(endpoint.address())),
            Err(_elapsed) => {
                let message = format!("{}: no answer within {timeout:?}", endpoint.address());
                Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::Unknown, message))
            }
        };
        answered.map_err(|error| error.with_outcome(Outcome::NotAMutation))
    }
}

fn member_at(endpoint: &Endpoint) -> EventualClient<Channel> {
    EventualClient::new(endpoint.channel()).max_decoding_message_size(REPLY_BYTES_MAX)
}

impl From<v1::SyncStatusResponse> for SyncStatus {
    fn from(status: v1::SyncStatusResponse) -> Self {
        let header = status.header.unwrap_or_default();
        Self {
            member: header.member_id,
            process: header.process,
            age_ms: status.age_ms,
            peers: status.peers.into_iter().map(PeerSync::from).collect(),
            heals: status.heals.into_iter().map(HealReport::from).collect(),
            diverged_shards: status.diverged_shards,
            unsent_operations: status.unsent_operations,
            caught_up: status.caught_up,
        }
    }
}
