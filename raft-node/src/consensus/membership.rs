//! Who belongs to the cluster, and who leads it.
//!
//! A member joins as a learner, is promoted when it has caught up, and leaves by removal; ids are never reused. What
//! would lose the quorum is refused: the voters that would remain must have a majority that answers now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use quorate_proto::internal as proto;
use tokio::sync::Mutex;

use super::network::{PeerNetwork, Roster};
use super::{Member, Raft, TypeConfig, used_member_ids};
use crate::state_machine::StateStore;
use crate::types::{DirectoryId, MemberId};

/// A learner this many entries behind the leader counts as caught up: promotion goes through the log anyway.
const CAUGHT_UP_ENTRIES: u64 = 1000;
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

type Metrics = openraft::RaftMetrics<TypeConfig>;

/// Why a change of membership or leadership was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MembershipError {
    /// Another member leads; the change goes there.
    #[error("this member is not the leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<MemberId>,
    },
    /// The change breaks a rule. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The change may be made yet.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// Changes the membership, one change at a time.
pub struct Membership {
    raft: Raft,
    roster: Arc<Roster>,
    network: PeerNetwork,
    store: Arc<StateStore>,
    changing: Mutex<()>,
}

impl Membership {
    /// Nothing happens yet.
    pub fn new(raft: Raft, roster: Arc<Roster>, network: PeerNetwork, store: Arc<StateStore>) -> Self {
        Self {
            raft,
            roster,
            network,
            store,
            changing: Mutex::new(()),
        }
    }

    /// Adds a learner that answers at `peer_address` under `id`.
    pub async fn add(&self, id: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let _one = self.changing.lock().await;
        self.add_learner(id, peer_address).await
    }

    /// Makes a learner that has caught up a voter.
    pub async fn promote(&self, id: MemberId) -> Result<(), MembershipError> {
        let _one = self.changing.lock().await;
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if membership.get_node(&id).is_none() {
            return Err(refused(format!("member {id} does not exist: add it first")));
        }
        if membership.voter_ids().any(|voter| voter == id) {
            return Err(refused(format!("member {id} is a voter already")));
        }
        if let Some(behind) = entries_behind(&metrics, id) {
            return Err(refused(format!(
                "member {id} is {behind} entries behind; promote it when it has caught up"
            )));
        }
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), true)
            .await
    }

    /// Removes a voter or a learner.
    pub async fn remove(&self, id: MemberId) -> Result<(), MembershipError> {
        let _one = self.changing.lock().await;
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if membership.get_node(&id).is_none() {
            return Err(refused(format!("member {id} does not exist")));
        }
        let voters: BTreeSet<_> = membership.voter_ids().collect();
        if !voters.contains(&id) {
            return self
                .change(ChangeMembers::RemoveNodes(BTreeSet::from([id])), false)
                .await;
        }
        let remaining: BTreeSet<_> = voters.iter().copied().filter(|voter| *voter != id).collect();
        self.require_quorum(&metrics, &remaining).await?;
        self.step_aside_if(id).await?;
        self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id])), false)
            .await
    }

    /// Puts a new member in the place of `old`, with no moment in which the cluster has a voter less.
    pub async fn replace(&self, old: MemberId, new: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let _one = self.changing.lock().await;
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if !membership.voter_ids().any(|voter| voter == old) {
            return Err(refused(format!(
                "member {old} is not a voter: there is nothing to replace"
            )));
        }
        self.step_aside_if(old).await?;
        // A call that was repeated after a fail-over finds its learner already there.
        if membership.get_node(&new).is_none() {
            self.add_learner(new, peer_address).await?;
        }
        self.wait_until_caught_up(new).await?;
        let metrics = self.leading()?;
        let mut voters: BTreeSet<_> = metrics.membership_config.membership().voter_ids().collect();
        voters.remove(&old);
        voters.insert(new);
        self.require_quorum(&metrics, &voters).await?;
        self.change(ChangeMembers::ReplaceAllVoters(voters), false).await
    }

    /// Hands leadership to `to`, or to the voter that is most up to date. Answers who leads then.
    pub async fn transfer(&self, to: Option<MemberId>) -> Result<MemberId, MembershipError> {
        let metrics = self.leading()?;
        let me = *self.raft.node_id();
        if to == Some(me) {
            return Ok(me);
        }
        let replication = metrics.replication.clone().unwrap_or_default();
        let voters: BTreeSet<_> = metrics.membership_config.membership().voter_ids().collect();
        let target = match to {
            Some(target) if !voters.contains(&target) => {
                return Err(refused(format!("member {target} is not a voter")));
            }
            Some(target) => target,
            None => replication
                .iter()
                .filter(|(id, _)| voters.contains(id) && **id != me)
                .max_by_key(|(_, matched)| matched.map(|id| id.index))
                .map(|(id, _)| *id)
                .ok_or_else(|| refused(String::from("there is no other voter")))?,
        };
        self.raft
            .trigger()
            .transfer_leader(target)
            .await
            .map_err(|error| unknown(&error))?;
        let wait = self.raft.wait(Some(TRANSFER_TIMEOUT));
        let changed = wait.metrics(
            |m| m.current_leader.is_some_and(|leader| leader != me),
            "leadership is handed on",
        );
        match changed.await {
            Ok(metrics) => Ok(metrics.current_leader.unwrap_or(target)),
            Err(_) => Err(MembershipError::Unknown(format!(
                "member {target} has not taken over in time"
            ))),
        }
    }

    /// Before the leader itself is removed it hands leadership on; the call is then to be repeated there.
    async fn step_aside_if(&self, leaving: MemberId) -> Result<(), MembershipError> {
        if leaving != *self.raft.node_id() {
            return Ok(());
        }
        let leader = self.transfer(None).await?;
        Err(MembershipError::NotLeader { leader: Some(leader) })
    }

    async fn add_learner(&self, id: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if id == 0 {
            return Err(refused(String::from("a member id is at least 1")));
        }
        if membership.get_node(&id).is_some() {
            return Err(refused(format!("member {id} exists already")));
        }
        if self.used_ids()?.contains(&id) {
            return Err(refused(format!(
                "member id {id} was used before: ids are never reused, take another"
            )));
        }
        let member = self.identify(id, peer_address).await?;
        let written = self.raft.add_learner(id, member, false).await;
        written.map(|_| ()).map_err(change_error)
    }

    fn used_ids(&self) -> Result<BTreeSet<MemberId>, MembershipError> {
        let bytes = self.store.membership();
        let used = bytes
            .map(|bytes| used_member_ids(&bytes))
            .transpose()
            .map_err(|error| unknown(&error))?;
        Ok(used.unwrap_or_default())
    }

    /// Asks the member that answers at an address who it is, and gives it this cluster's id.
    async fn identify(&self, id: MemberId, peer_address: &str) -> Result<Member, MembershipError> {
        let address = Member {
            peer_address: peer_address.to_owned(),
            ..Member::default()
        };
        let request = proto::IdentifyRequest {
            adopt_cluster_id: self.roster.cluster_id(),
            from: self.roster.me().member,
            expected_member_id: id,
        };
        let answer = self
            .network
            .client(id, &address)
            .identify(request)
            .await
            .map_err(|status| {
                refused(format!(
                    "no member can be added from {peer_address}: {}",
                    status.message()
                ))
            })?;
        if answer.member_id != id || answer.cluster_id != self.roster.cluster_id() {
            return Err(refused(format!(
                "{peer_address} is member {} of cluster {:016x}, not member {id} of this one",
                answer.member_id, answer.cluster_id
            )));
        }
        Ok(Member {
            peer_address: peer_address.to_owned(),
            client_address: answer.client_address,
            directory: DirectoryId(answer.directory_id),
        })
    }

    async fn wait_until_caught_up(&self, id: MemberId) -> Result<(), MembershipError> {
        let waiting = async {
            loop {
                let metrics = self.leading()?;
                if entries_behind(&metrics, id).is_none() {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(CATCH_UP_TIMEOUT, waiting)
            .await
            .unwrap_or_else(|_| {
                Err(MembershipError::Unknown(format!(
                    "member {id} has not caught up in time"
                )))
            })
    }

    /// Asks the voters that would remain, now: what was heard a moment ago says nothing of a member that just died.
    async fn require_quorum(&self, metrics: &Metrics, voters: &BTreeSet<MemberId>) -> Result<(), MembershipError> {
        if voters.is_empty() {
            return Err(refused(String::from("the last voter cannot be removed")));
        }
        let answers = voters.iter().map(|id| async move {
            let member = metrics.membership_config.membership().get_node(id);
            match member {
                _ if *id == metrics.id => true,
                Some(member) => self.network.client(*id, member).report().await.is_ok(),
                None => false,
            }
        });
        let alive = futures::future::join_all(answers)
            .await
            .into_iter()
            .filter(|alive| *alive)
            .count();
        let majority = voters.len() / 2 + 1;
        if alive < majority {
            return Err(refused(format!(
                "of the voters {voters:?} that would remain only {alive} answer and {majority} are needed: the \
                 cluster would lose its quorum"
            )));
        }
        Ok(())
    }

    async fn change(&self, change: ChangeMembers<MemberId, Member>, retain: bool) -> Result<(), MembershipError> {
        self.raft
            .change_membership(change, retain)
            .await
            .map(|_| ())
            .map_err(change_error)
    }

    fn leading(&self) -> Result<Metrics, MembershipError> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        if metrics.current_leader == Some(*self.raft.node_id()) && metrics.replication.is_some() {
            return Ok(metrics);
        }
        Err(MembershipError::NotLeader {
            leader: metrics.current_leader.filter(|id| id != self.raft.node_id()),
        })
    }
}

/// None: caught up.
fn entries_behind(metrics: &Metrics, id: MemberId) -> Option<u64> {
    let last = metrics.last_log_index.unwrap_or(0);
    let matched = metrics
        .replication
        .as_ref()?
        .get(&id)
        .copied()
        .flatten()
        .map_or(0, |log_id| log_id.index);
    let behind = last.saturating_sub(matched);
    (behind > CAUGHT_UP_ENTRIES || matched == 0).then_some(behind)
}

fn change_error(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> MembershipError {
    match error {
        RaftError::Fatal(fatal) => unknown(&fatal),
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => MembershipError::NotLeader {
            leader: forward.leader_id,
        },
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
            MembershipError::Unknown(String::from("the leader changed while the change was being replicated"))
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => refused(error.to_string()),
        RaftError::APIError(ClientWriteError::PreconditionFailed(error)) => refused(error.to_string()),
    }
}

fn refused(message: String) -> MembershipError {
    MembershipError::Refused(message)
}

fn unknown(error: &dyn std::error::Error) -> MembershipError {
    MembershipError::Unknown(error.to_string())
}
