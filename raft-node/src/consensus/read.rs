//! Makes reads linearizable: ReadIndex, one round at a time.
//!
//! A read that arrives while a round is under way joins the *next* one: the running round may have begun before a
//! write that the reader already knows of. One round serves everyone who waited for it, on the leader (a quorum
//! confirms that it still leads) and on a follower (which asks the leader for the index of such a round). Then the
//! member waits until it has applied that index and answers from its own store.
//!
//! Leases are not used: a follower that restarts quickly has forgotten the lease it granted, and a stale read follows.

use std::sync::Arc;
use std::time::Duration;

use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::Raft;
use super::network::{PeerClient, PeerNetwork, Roster};
use crate::canary::{self, Canary};
use crate::environment::Clock;
use crate::failpoints;
use crate::metrics::Count;
use crate::state_machine::{Applied, StateStore};
use crate::types::{MemberId, Revision};

/// Reads that wait for a round.
const WAITING_MAX: usize = 65_536;
/// Rounds tried before the waiting reads are told that there is no leader.
const ATTEMPTS_MAX: u32 = 40;
const RETRY: Duration = Duration::from_millis(25);
const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a read cannot be served at its level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader was found, or no quorum confirmed it.
    #[error("no quorum confirmed a leader: {0}")]
    NoLeader(String),
    /// Too many reads wait.
    #[error("{WAITING_MAX} reads wait at this member, which is the limit: try again later")]
    Overloaded,
    /// The member stops.
    #[error("the member is stopping")]
    Stopped,
}

type Waiter<T> = oneshot::Sender<Result<T, ReadError>>;

/// A request to the round task.
enum Wanted {
    /// Wait until this member has applied the round's index; answers how old the round is then.
    Applied(Waiter<Duration>),
    /// The round's index alone, on the leader: a follower asked.
    Index(Waiter<u64>),
}

/// What became of the rounds of a member.
#[derive(Debug, Default)]
pub struct ReadCounts {
    /// Rounds that ended.
    pub rounds: Count,
    /// Of those, rounds that confirmed nothing.
    pub failed: Count,
}

/// Where every read of a linearizable level passes.
#[derive(Clone)]
pub struct ReadGate {
    queue: mpsc::Sender<Wanted>,
    applied: watch::Receiver<Applied>,
    clock: Arc<dyn Clock>,
    /// When the newest finished round began: the store is at least as fresh as that moment.
    fresh_since: Arc<Mutex<Option<Duration>>>,
    counts: Arc<ReadCounts>,
}

impl ReadGate {
    /// Starts the round task.
    pub fn start(
        raft: Raft,
        store: &StateStore,
        clock: Arc<dyn Clock>,
        network: PeerNetwork,
        roster: Arc<Roster>,
    ) -> Self {
        let (queue, wanted) = mpsc::channel(WAITING_MAX);
        let fresh_since = Arc::new(Mutex::new(None));
        let counts = Arc::<ReadCounts>::default();
        let rounds = Rounds {
            raft,
            network,
            roster,
            applied: store.watch_applied(),
            clock: Arc::clone(&clock),
            fresh_since: Arc::clone(&fresh_since),
            leader: None,
            counts: Arc::clone(&counts),
        };
        tokio::spawn(rounds.run(wanted));
        Self {
            queue,
            applied: store.watch_applied(),
            clock,
            fresh_since,
            counts,
        }
    }

    /// What became of the rounds so far.
    pub fn counts(&self) -> &ReadCounts {
        &self.counts
    }

    /// Returns once this member has applied everything that was acknowledged before the call. Answers how long ago
    /// the round that proved it began.
    pub async fn strong(&self) -> Result<Duration, ReadError> {
        let (done, answer) = oneshot::channel();
        self.ask(Wanted::Applied(done))?;
        answer.await.unwrap_or(Err(ReadError::Stopped))
    }

    /// Returns once this member is known to be no staler than `bound`; at once if a recent round proves it.
    /// Answers how stale it may be. Both ends of the interval are read from this member's own clock.
    pub async fn bounded(&self, bound: Duration) -> Result<Duration, ReadError> {
        let since = *self.fresh_since.lock();
        if let Some(since) = since {
            let age = self.clock.monotonic().saturating_sub(since);
            if age <= bound {
                return Ok(age);
            }
        }
        self.strong().await
    }

    /// How old what this member has may be, by the newest finished round; [`Duration::MAX`] if there was none.
    pub fn age(&self) -> Duration {
        let since = *self.fresh_since.lock();
        since.map_or(Duration::MAX, |since| self.clock.monotonic().saturating_sub(since))
    }

    /// Returns once this member has applied `revision`.
    pub async fn at_least(&self, revision: Revision) -> Result<(), ReadError> {
        let mut applied = self.applied.clone();
        let waited = applied.wait_for(|applied| applied.revision >= revision).await;
        waited.map(|_| ()).map_err(|_| ReadError::Stopped)
    }

    /// On the leader: an index that is safe to read at.
    pub async fn leader_index(&self) -> Result<u64, ReadError> {
        let (done, answer) = oneshot::channel();
        self.ask(Wanted::Index(done))?;
        answer.await.unwrap_or(Err(ReadError::Stopped))
    }

    fn ask(&self, wanted: Wanted) -> Result<(), ReadError> {
        self.queue.try_send(wanted).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReadError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ReadError::Stopped,
        })
    }
}

struct Rounds {
    raft: Raft,
    network: PeerNetwork,
    roster: Arc<Roster>,
    applied: watch::Receiver<Applied>,
    clock: Arc<dyn Clock>,
    fresh_since: Arc<Mutex<Option<Duration>>>,
    /// The connection to the leader that was asked last.
    leader: Option<(MemberId, PeerClient)>,
    counts: Arc<ReadCounts>,
}

impl Rounds {
    async fn run(mut self, mut wanted: mpsc::Receiver<Wanted>) {
        let mut waiting = Vec::new();
        while wanted.recv_many(&mut waiting, WAITING_MAX).await > 0 {
            let began = self.clock.monotonic();
            let round = self.round(&mut waiting).await;
            self.counts.rounds.increment();
            match round {
                Ok(index) => self.answer(index, began, &mut waiting).await,
                Err(error) => {
                    self.counts.failed.increment();
                    refuse(&mut waiting, &error);
                }
            }
        }
    }

    /// One confirmed index, begun after the call. A follower that asked for it must get the leader's own: where this
    /// member does not lead the followers are refused, and its own readers go on with the leader's index.
    async fn round(&mut self, waiting: &mut Vec<Wanted>) -> Result<u64, ReadError> {
        if failpoints::pass("read-round").await {
            return Err(ReadError::NoLeader(String::from("failpoint read-round")));
        }
        let mut reason = String::from("no leader is known");
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(RETRY).await;
            }
            match tokio::time::timeout(ROUND_TIMEOUT, self.confirm()).await {
                Ok(Confirmed::Index(index)) => return Ok(index),
                Ok(Confirmed::Elsewhere(leader)) => {
                    let elsewhere = ReadError::NoLeader(format!("member {leader} leads"));
                    refuse_followers(waiting, &elsewhere);
                    if waiting.is_empty() {
                        return Err(elsewhere);
                    }
                    match self.ask_leader(leader).await {
                        Ok(index) => return Ok(index),
                        Err(status) => reason = format!("member {leader}: {}", status.message()),
                    }
                }
                Ok(Confirmed::Nobody(why)) => reason = why,
                Ok(Confirmed::Stopped) => return Err(ReadError::Stopped),
                Err(_) => reason = String::from("no quorum answered in time"),
            }
        }
        Err(ReadError::NoLeader(reason))
    }

    async fn confirm(&self) -> Confirmed {
        if canary::is(Canary::ReadWithoutQuorum) && self.raft.is_leader() {
            return Confirmed::Index(self.applied.borrow().index);
        }
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Confirmed::Index(linearizer.read_log_id().index()),
            Err(RaftError::Fatal(_)) => Confirmed::Stopped,
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                match forward.leader_id.filter(|leader| leader != self.raft.node_id()) {
                    Some(leader) => Confirmed::Elsewhere(leader),
                    None => Confirmed::Nobody(String::from("no leader is known")),
                }
            }
            Err(RaftError::APIError(error)) => Confirmed::Nobody(error.to_string()),
        }
    }

    async fn ask_leader(&mut self, leader: MemberId) -> Result<u64, tonic::Status> {
        if self.leader.as_ref().is_none_or(|(member, _)| *member != leader) {
            let members = self.roster.members();
            let member = members
                .get(&leader)
                .ok_or_else(|| tonic::Status::not_found("not a member"))?;
            self.leader = Some((leader, self.network.client(leader, member)));
        }
        let Some((_, client)) = self.leader.as_mut() else {
            return Err(tonic::Status::internal("no connection"));
        };
        let asked = client.read_index(ROUND_TIMEOUT).await;
        if asked.is_err() {
            self.leader = None;
        }
        asked
    }

    async fn answer(&mut self, index: u64, began: Duration, waiting: &mut Vec<Wanted>) {
        let mut readers = Vec::with_capacity(waiting.len());
        for wanted in waiting.drain(..) {
            match wanted {
                Wanted::Index(done) => {
                    let _ = done.send(Ok(index));
                }
                Wanted::Applied(done) => readers.push(done),
            }
        }
        if readers.is_empty() {
            return;
        }
        if self.applied.wait_for(|applied| applied.index >= index).await.is_err() {
            return;
        }
        *self.fresh_since.lock() = Some(began);
        let age = self.clock.monotonic().saturating_sub(began);
        for done in readers {
            let _ = done.send(Ok(age));
        }
    }
}

enum Confirmed {
    Index(u64),
    Elsewhere(MemberId),
    Nobody(String),
    Stopped,
}

/// Leaves this member's own readers waiting.
fn refuse_followers(waiting: &mut Vec<Wanted>, error: &ReadError) {
    let is_follower = |wanted: &Wanted| matches!(wanted, Wanted::Index(_));
    let (mut followers, readers) = waiting.drain(..).partition(is_follower);
    *waiting = readers;
    refuse(&mut followers, error);
}

fn refuse(waiting: &mut Vec<Wanted>, error: &ReadError) {
    for wanted in waiting.drain(..) {
        match wanted {
            Wanted::Applied(done) => {
                let _ = done.send(Err(error.clone()));
            }
            Wanted::Index(done) => {
                let _ = done.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_another_member_leads_only_the_followers_are_refused() {
        let (reader, mut read) = oneshot::channel();
        let (follower, mut asked) = oneshot::channel();
        let mut waiting = vec![Wanted::Index(follower), Wanted::Applied(reader)];
        let elsewhere = ReadError::NoLeader(String::from("member 2 leads"));
        refuse_followers(&mut waiting, &elsewhere);
        assert_eq!(asked.try_recv(), Ok(Err(elsewhere)));
        assert!(matches!(waiting.as_slice(), [Wanted::Applied(_)]));
        assert_eq!(read.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }
}
