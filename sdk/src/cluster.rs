//! Administration: members, leadership and status.
//!
//! These calls carry no stamp. One whose answer was lost is not repeated: look at the members before you do.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::cluster_client::ClusterClient;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::bulk::Bulk;
use crate::call::{Nature, REDIRECTS_AT_ONCE_MAX};
use crate::client::Client;
use crate::connection::REPLY_BYTES_MAX;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::members;
use crate::retry::Backoff;
use crate::routing::Route;

/// A change of membership waits for a log entry, a promotion until the learner has caught up.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// A replacement copies the whole state to the new member first.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(600);

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its id, never used for another.
    pub id: u64,
    /// `host:port` for other members.
    pub peer_address: String,
    /// `host:port` for clients.
    pub client_address: String,
    /// Random identity of its data directory, 16 hexadecimal digits.
    pub directory_id: String,
    /// It votes; a learner does not.
    pub voter: bool,
    /// It leads.
    pub leader: bool,
    /// The last log index it has acknowledged; 0 when the member that answered does not lead.
    pub matched_index: u64,
}

/// How one member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Id of the cluster.
    pub cluster_id: u64,
    /// Id of the member.
    pub member_id: u64,
    /// The store's revision as the member has applied it.
    pub revision: u64,
    /// The Raft term it is in.
    pub raft_term: u64,
    /// Version of its program.
    pub version: String,
    /// The leader as it knows it.
    pub leader_id: Option<u64>,
    /// `leader`, `follower`, `learner`, `candidate` or `shutdown`.
    pub role: String,
    /// First index of its log.
    pub log_first_index: u64,
    /// Last index of its log.
    pub log_last_index: u64,
    /// Last index it knows to be committed.
    pub committed_index: u64,
    /// Last index it has applied.
    pub applied_index: u64,
    /// Index that its newest snapshot covers.
    pub snapshot_index: u64,
    /// Revisions below this one cannot be read.
    pub compacted_revision: u64,
    /// Log time, in milliseconds.
    pub log_time_ms: u64,
    /// Hash of every logical write up to `applied_index`; equal on all members at equal indexes.
    pub state_hash: u64,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Bytes of its state.
    pub state_bytes: u64,
    /// Bytes free on its disk.
    pub disk_free_bytes: u64,
    /// Clients registered.
    pub clients: u32,
    /// Why it is not well; empty when it is.
    pub alarms: Vec<String>,
    /// Its wall clock, in milliseconds since 1970; 0 from a member that does not say.
    pub wall_ms: u64,
}

impl From<v1::Member> for Member {
    fn from(member: v1::Member) -> Self {
        Self {
            id: member.id,
            peer_address: member.peer_address,
            client_address: member.client_address,
            directory_id: member.directory_id,
            voter: member.voter,
            leader: member.leader,
            matched_index: member.matched_index,
        }
    }
}

impl From<v1::StatusResponse> for MemberStatus {
    fn from(status: v1::StatusResponse) -> Self {
        let header = status.header.unwrap_or_default();
        Self {
            cluster_id: header.cluster_id,
            member_id: header.member_id,
            revision: header.revision,
            raft_term: header.raft_term,
            version: status.version,
            leader_id: (status.leader_id != 0).then_some(status.leader_id),
            role: status.role,
            log_first_index: status.log_first_index,
            log_last_index: status.log_last_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            snapshot_index: status.snapshot_index,
            compacted_revision: status.compacted_revision,
            log_time_ms: status.log_time_ms,
            state_hash: status.state_hash,
            log_bytes: status.log_bytes,
            state_bytes: status.state_bytes,
            disk_free_bytes: status.disk_free_bytes,
            clients: status.clients,
            alarms: status.alarms,
            wall_ms: status.wall_ms,
        }
    }
}

impl Client {
    /// How the member at `endpoint` (`host:port`) is. It is asked once, within the client's call time-out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConnectionLost`] when it cannot be reached.
    pub async fn status(&self, endpoint: &str) -> Result<MemberStatus> {
        let _running = self.core.begin(Nature::Read)?;
        let endpoint = self.core.routing.known_or_new(endpoint)?;
        let timeout = self.core.call_timeout;
        let status = unary(
            &endpoint,
            timeout,
            v1::StatusRequest {},
            |mut cluster, request| async move { cluster.status(request).await },
        );
        let status = status
            .await
            .map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        Ok(status.into())
    }

    /// The members, as the leader or the first member that answers knows them. Their addresses become endpoints of this
    /// client.
    ///
    /// # Errors
    ///
    /// What any read may return.
    pub async fn members(&self) -> Result<Vec<Member>> {
        let timeout = self.core.call_timeout;
        let request = v1::MemberListRequest {};
        let listed = self.administer(Nature::Read, timeout, request, |mut cluster, request| async move {
            cluster.member_list(request).await
        });
        Ok(self.learn_members(listed.await?.members))
    }

    /// Adds a learner, which receives the log and does not vote. `id` must never have been used. Takes up to 60 s.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::MembershipRefused`] when it would break a rule; [`Outcome::Unknown`] when the answer was lost.
    pub async fn member_add(&self, id: u64, peer_address: &str) -> Result<Vec<Member>> {
        let request = v1::MemberAddRequest {
            member_id: id,
            peer_address: peer_address.to_owned(),
        };
        let changed = self.administer(
            Nature::Idempotent,
            CHANGE_TIMEOUT,
            request,
            |mut cluster, request| async move { cluster.member_add(request).await },
        );
        Ok(self.learn_members(changed.await?.members))
    }

    /// Makes a learner that has caught up a voter. Takes up to 60 s; errors as [`member_add`](Self::member_add).
    pub async fn member_promote(&self, id: u64) -> Result<Vec<Member>> {
        let request = v1::MemberPromoteRequest { member_id: id };
        let changed = self.administer(
            Nature::Idempotent,
            CHANGE_TIMEOUT,
            request,
            |mut cluster, request| async move { cluster.member_promote(request).await },
        );
        Ok(self.learn_members(changed.await?.members))
    }

    /// Removes a member. Takes up to 60 s; errors as [`member_add`](Self::member_add).
    pub async fn member_remove(&self, id: u64) -> Result<Vec<Member>> {
        let request = v1::MemberRemoveRequest { member_id: id };
        let changed = self.administer(
            Nature::Idempotent,
            CHANGE_TIMEOUT,
            request,
            |mut cluster, request| async move { cluster.member_remove(request).await },
        );
        Ok(self.learn_members(changed.await?.members))
    }

    /// Puts a new member in the place of `old`: adds it, waits until it has caught up, promotes it, and removes `old`.
    /// Takes up to 10 minutes; errors as [`member_add`](Self::member_add).
    pub async fn member_replace(&self, old: u64, new_id: u64, peer_address: &str) -> Result<Vec<Member>> {
        let replacement = v1::MemberAddRequest {
            member_id: new_id,
            peer_address: peer_address.to_owned(),
        };
        let request = v1::MemberReplaceRequest {
            member_id: old,
            replacement: Some(replacement),
        };
        let changed = self.administer(
            Nature::Idempotent,
            REPLACE_TIMEOUT,
            request,
            |mut cluster, request| async move { cluster.member_replace(request).await },
        );
        Ok(self.learn_members(changed.await?.members))
    }

    /// Hands leadership to a voter, 0: to the one that is most up to date. Returns the id of the new leader. Takes up to
    /// 60 s; errors as [`member_add`](Self::member_add).
    pub async fn transfer_leader(&self, to: u64) -> Result<u64> {
        let request = v1::TransferLeaderRequest { member_id: to };
        let changed = self.administer(
            Nature::Idempotent,
            CHANGE_TIMEOUT,
            request,
            |mut cluster, request| async move { cluster.transfer_leader(request).await },
        );
        Ok(changed.await?.leader_id)
    }

    fn learn_members(&self, members: Vec<v1::Member>) -> Vec<Member> {
        members::learn(&self.core, &members);
        members.into_iter().map(Member::from).collect()
    }

    /// Finds the leader and makes one call there. Repeated only while it is certain that nothing was done.
    async fn administer<Q, R, F>(
        &self,
        nature: Nature,
        timeout: Duration,
        request: Q,
        send: impl Fn(ClusterClient<Channel>, tonic::Request<Q>) -> F,
    ) -> Result<R>
    where
        Q: Clone,
        F: Future<Output = std::result::Result<tonic::Response<R>, tonic::Status>>,
    {
        let _running = self.core.begin(nature)?;
        let deadline = Instant::now() + timeout;
        // Reaching a leader takes no longer than for any call; what it is asked to do may.
        let search_deadline = Instant::now() + self.core.call_timeout.min(timeout);
        let mut backoff = Backoff::of_call();
        let mut avoid: Option<Arc<Endpoint>> = None;
        let mut redirects = 0;
        loop {
            let (error, at_once) = match self.reach(avoid.as_ref()).await {
                Err(error) => (error, false),
                Ok(endpoint) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match unary(&endpoint, left, request.clone(), &send).await {
                        Ok(response) => return Ok(response),
                        Err(error) => {
                            let at_once = self.follow_hint(&endpoint, &error);
                            avoid = (!at_once).then_some(endpoint);
                            (error, at_once)
                        }
                    }
                }
            };
            let harmless = nature == Nature::Read || error.outcome() != Outcome::Unknown;
            let may_retry = harmless && error.kind().is_retried() && !self.core.is_closed();
            redirects += u32::from(at_once);
            if may_retry && at_once && redirects <= REDIRECTS_AT_ONCE_MAX {
                continue;
            }
            let delay = backoff.next_delay();
            let in_time = Instant::now() + delay < search_deadline;
            if !may_retry || !in_time || !self.core.budget.take(std::time::Instant::now()) {
                let is_read = nature == Nature::Read;
                return Err(if is_read {
                    error.with_outcome(Outcome::NotAMutation)
                } else {
                    error
                });
            }
            self.core.stats.retries.count();
            tokio::time::sleep(delay).await;
        }
    }

    /// Whether the error names another member to go to at once.
    fn follow_hint(&self, refused_by: &Arc<Endpoint>, error: &Error) -> bool {
        let ErrorKind::NotLeader { leader } = error.kind() else {
            return false;
        };
        self.core.stats.redirects.count();
        self.core.routing.redirect(refused_by, leader.as_deref())
    }

    /// An endpoint with an open connection: a call that fails afterwards may have arrived, one that fails before did not.
    async fn reach(&self, avoid: Option<&Arc<Endpoint>>) -> Result<Arc<Endpoint>> {
        let unreachable = |reason: String| Error::new(ErrorKind::ConnectionLost, Outcome::NotApplied, reason);
        let routing = &self.core.routing;
        let picked = routing.pick(Route::Leader, avoid, std::time::Instant::now());
        let endpoint = picked.ok_or_else(|| unreachable("every endpoint failed a moment ago".to_owned()))?;
        let reconnects: &AtomicU64 = &self.core.stats.reconnects.0;
        match endpoint.connection(Bulk::Small, reconnects).await {
            Ok(_) => Ok(endpoint),
            Err(reason) => {
                routing.distrust(&endpoint);
                Err(unreachable(reason))
            }
        }
    }
}

/// One unary call to one member.
async fn unary<Q, R, F>(
    endpoint: &Endpoint,
    timeout: Duration,
    message: Q,
    send: impl Fn(ClusterClient<Channel>, tonic::Request<Q>) -> F,
) -> Result<R>
where
    F: Future<Output = std::result::Result<tonic::Response<R>, tonic::Status>>,
{
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    match tokio::time::timeout(timeout, send(cluster_of(endpoint), request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(Error::of_status(&status).with_context(endpoint.address())),
        Err(_elapsed) => {
            let message = format!("{}: no answer within {timeout:?}", endpoint.address());
            Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::Unknown, message))
        }
    }
}

/// The members, as this one knows them.
pub(crate) async fn member_list(endpoint: &Endpoint, timeout: Duration) -> Result<Vec<v1::Member>> {
    let listed = unary(
        endpoint,
        timeout,
        v1::MemberListRequest {},
        |mut cluster, request| async move { cluster.member_list(request).await },
    );
    Ok(listed.await?.members)
}

pub(crate) fn cluster_of(endpoint: &Endpoint) -> ClusterClient<Channel> {
    ClusterClient::new(endpoint.channel()).max_decoding_message_size(REPLY_BYTES_MAX)
}
