//! Who belongs to the cluster, and who leads it.
//!
//! A member joins as a learner, is promoted when it has caught up, and leaves by removal; ids are never reused. What
//! would lose the quorum is refused: the voters that would result must have a majority that answers now.
//!
//! A change of voters takes two steps with a joint configuration between them. A leader that is lost there leaves the
//! joint configuration behind; the same change, repeated, finishes it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use quorate_proto::internal as proto;
use tokio::sync::Mutex;

use super::network::{PeerNetwork, Roster};
use super::{Member, Raft, TypeConfig, used_member_ids};
use crate::failpoints;
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
#[derive(Clone)]
pub struct Membership {
    raft: Raft,
    roster: Arc<Roster>,
    network: PeerNetwork,
    store: Arc<StateStore>,
    changing: Arc<Mutex<()>>,
}

impl Membership {
    /// Nothing happens yet.
    pub fn new(raft: Raft, roster: Arc<Roster>, network: PeerNetwork, store: Arc<StateStore>) -> Self {
        Self {
            raft,
            roster,
            network,
            store,
            changing: Arc::default(),
        }
    }

    /// Adds a learner that answers at `peer_address` under `id`.
    pub async fn add(&self, id: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let peer_address = peer_address.to_owned();
        self.in_turn(|this| async move { this.add_learner(id, &peer_address).await })
            .await
    }

    /// Makes a learner that has caught up a voter.
    pub async fn promote(&self, id: MemberId) -> Result<(), MembershipError> {
        self.in_turn(move |this| async move { this.promote_learner(id).await })
            .await
    }

    /// Removes a voter or a learner.
    pub async fn remove(&self, id: MemberId) -> Result<(), MembershipError> {
        self.in_turn(move |this| async move { this.remove_member(id).await })
            .await
    }

    /// Puts a new member in the place of `old`, with no moment in which the cluster has a voter less.
    pub async fn replace(&self, old: MemberId, new: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let peer_address = peer_address.to_owned();
        self.in_turn(move |this| async move { this.replace_voter(old, new, &peer_address).await })
            .await
    }

    /// Runs one change at a time, each to its end: a caller whose deadline passes drops its own future, and the second
    /// step of the change must not be dropped with it.
    async fn in_turn<F>(&self, change: impl FnOnce(Self) -> F) -> Result<(), MembershipError>
    where
        F: Future<Output = Result<(), MembershipError>> + Send + 'static,
    {
        if failpoints::pass("member-change").await {
            return Err(refused(String::from("failpoint member-change")));
        }
        let turn = Arc::clone(&self.changing).lock_owned().await;
        let change = change(self.clone());
        let task = tokio::spawn(async move {
            let _turn = turn;
            change.await
        });
        task.await.unwrap_or_else(|error| Err(unknown(&error)))
    }

    async fn promote_learner(&self, id: MemberId) -> Result<(), MembershipError> {
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if membership.get_node(&id).is_none() {
            return Err(refused(format!("member {id} does not exist: add it first")));
        }
        if !is_joint(&metrics) && membership.voter_ids().any(|voter| voter == id) {
            return Err(refused(format!("member {id} is a voter already")));
        }
        if let Some(behind) = entries_behind(&metrics, id) {
            return Err(refused(format!(
                "member {id} is {behind} entries behind; promote it when it has caught up"
            )));
        }
        if !self.answers(&metrics, id).await {
            return Err(refused(format!("member {id} does not answer; promote it when it does")));
        }
        let mut voters = goal(&metrics);
        voters.insert(id);
        self.require_quorum(&metrics, &voters).await?;
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id]))).await
    }

    async fn remove_member(&self, id: MemberId) -> Result<(), MembershipError> {
        let metrics = self.leading()?;
        let membership = metrics.membership_config.membership();
        if membership.get_node(&id).is_none() {
            return Err(refused(format!("member {id} does not exist")));
        }
        if !membership.voter_ids().any(|voter| voter == id) {
            return self.change(ChangeMembers::RemoveNodes(BTreeSet::from([id]))).await;
        }
        let mut remaining = goal(&metrics);
        remaining.remove(&id);
        self.require_quorum(&metrics, &remaining).await?;
        self.step_aside_if(id).await?;
        self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id]))).await
    }

    async fn replace_voter(&self, old: MemberId, new: MemberId, peer_address: &str) -> Result<(), MembershipError> {
        let metrics = self.leading()?;
        check_replacement(&metrics, old, new, peer_address)?;
        self.step_aside_if(old).await?;
        // A call that was repeated after a fail-over finds its learner already there.
        if metrics.membership_config.membership().get_node(&new).is_none() {
            self.add_learner(new, peer_address).await?;
        }
        self.wait_until_caught_up(new).await?;
        let metrics = self.leading()?;
        let mut voters = goal(&metrics);
        voters.remove(&old);
        voters.insert(new);
        self.require_quorum(&metrics, &voters).await?;
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// Hands leadership to `to`, or to the voter that is most up to date of those that answer. Answers who leads then.
    pub async fn transfer(&self, to: Option<MemberId>) -> Result<MemberId, MembershipError> {
        let metrics = self.leading()?;
        if failpoints::pass("transfer").await {
            return Err(refused(String::from("failpoint transfer")));
        }
        let me = *self.raft.node_id();
        if to == Some(me) {
            return Ok(me);
        }
        let target = match to {
            Some(target) if !goal(&metrics).contains(&target) => {
                return Err(refused(format!("member {target} is not a voter")));
            }
            Some(target) => target,
            None => self.best_successor(&metrics).await?,
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

    /// What a voter matched says nothing of whether it still lives, so each is asked.
    async fn best_successor(&self, metrics: &Metrics) -> Result<MemberId, MembershipError> {
        let mut voters = goal(metrics);
        voters.remove(&metrics.id);
        if voters.is_empty() {
            return Err(refused(String::from("there is no other voter")));
        }
        let replication = metrics.replication.as_ref();
        let matched = |id: MemberId| replication.and_then(|matched| matched.get(&id).copied().flatten());
        self.answering(metrics, &voters)
            .await
            .into_iter()
            .max_by_key(|id| matched(*id).map(|log_id| log_id.index))
            .ok_or_else(|| refused(format!("of the other voters {voters:?} none answers")))
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
        if failpoints::pass("member-add").await {
            return Err(refused(String::from("failpoint member-add")));
        }
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
            .identify_newcomer(request)
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

    /// Asks the voters that would result, now: what was heard a moment ago says nothing of a member that just died.
    async fn require_quorum(&self, metrics: &Metrics, voters: &BTreeSet<MemberId>) -> Result<(), MembershipError> {
        if voters.is_empty() {
            return Err(refused(String::from("the last voter cannot be removed")));
        }
        let alive = self.answering(metrics, voters).await.len();
        let majority = voters.len() / 2 + 1;
        if alive < majority {
            return Err(refused(format!(
                "of the voters {voters:?} that would result only {alive} answer and {majority} are needed: the \
                 cluster would lose its quorum"
            )));
        }
        Ok(())
    }

    async fn answering(&self, metrics: &Metrics, members: &BTreeSet<MemberId>) -> BTreeSet<MemberId> {
        let asked = members
            .iter()
            .map(|id| async move { self.answers(metrics, *id).await.then_some(*id) });
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }

    /// Whether a member answers now. This one does.
    async fn answers(&self, metrics: &Metrics, id: MemberId) -> bool {
        match metrics.membership_config.membership().get_node(&id) {
            _ if id == metrics.id => true,
            Some(member) => self.network.client(id, member).report().await.is_ok(),
            None => false,
        }
    }

    /// Voters that leave do not stay as learners, not even those of an earlier change that this one finishes.
    async fn change(&self, change: ChangeMembers<MemberId, Member>) -> Result<(), MembershipError> {
        self.raft
            .change_membership(change, false)
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

/// Whether a change of voters is half made.
fn is_joint(metrics: &Metrics) -> bool {
    metrics.membership_config.membership().get_joint_config().len() > 1
}

/// The voters; those that will be, while a change is half made. openraft applies every change to this set, so that
/// one which is in it already only finishes it.
fn goal(metrics: &Metrics) -> BTreeSet<MemberId> {
    let configurations = metrics.membership_config.membership().get_joint_config();
    configurations.last().cloned().unwrap_or_default()
}

fn check_replacement(
    metrics: &Metrics,
    old: MemberId,
    new: MemberId,
    peer_address: &str,
) -> Result<(), MembershipError> {
    let membership = metrics.membership_config.membership();
    let is_voter = |id| membership.voter_ids().any(|voter| voter == id);
    if old == new {
        return Err(refused(format!(
            "member {old} cannot replace itself: ids are never reused, take another"
        )));
    }
    if !is_voter(old) {
        return Err(refused(format!(
            "member {old} is not a voter: there is nothing to replace"
        )));
    }
    // While the configuration is joint this may be the replacement that made it so.
    if !is_joint(metrics) && is_voter(new) {
        return Err(refused(format!("member {new} is a voter already")));
    }
    match membership.get_node(&new) {
        Some(member) if member.peer_address != peer_address => Err(refused(format!(
            "member {new} exists already, at {}",
            member.peer_address
        ))),
        _ => Ok(()),
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
