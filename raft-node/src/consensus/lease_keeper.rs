//! When leases were last renewed, and which have to go.
//!
//! Only the leader knows, and only in memory: a renewal costs no log entry. That is safe by four rules:
//!
//! * A renewal is answered only after a quorum has confirmed, in a round begun after the renewal arrived, that this
//!   member still leads: one that was deposed cannot promise what its successor does not know of. The client counts from
//!   the moment it sent, so its deadline is never later than the leader's.
//! * A leader renews nothing before it has applied every entry of earlier terms, and then gives every lease one whole
//!   time to live.
//! * The end of a lease is an entry of the log that names the term of the leader who judged. In an entry of another term
//!   it does nothing; so a leader that stalls and wakes up deposed ends no lease.
//! * From the moment an end is proposed, the lease is no longer renewed.
//!
//! A leader that was stopped for a while (a paused machine) could not hear renewals meanwhile: the time it lost is added
//! to every deadline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Proposer, Raft, ReadError, ReadGate};
use crate::canary::{self, Canary};
use crate::environment::Clock;
use crate::failpoints;
use crate::leases;
use crate::signals::LeaseListener;
use crate::state_machine::{Applied, Command, ExpireLeases, StateStore};
use crate::storage::StorageError;
use crate::types::{LeaseId, MemberId};

/// How often the leader looks for leases that have to go.
const TICK: Duration = Duration::from_millis(50);
/// A tick that is later than this was not the scheduler: the member was stopped.
const STALL_MIN: Duration = Duration::from_millis(500);
/// Entries of `due` beyond those of living leases that are not worth removing.
const DUE_SPARE: usize = 1024;
/// Leases that one command ends.
const LEASES_PER_COMMAND: usize = 256;
/// How long an end whose proposal failed is left alone.
const RETRY: Duration = Duration::from_millis(200);
/// A renewal waits this long for a new leader to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// Why leases could not be renewed. They may live on; ask again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepAliveError {
    /// Only the leader can renew.
    #[error("this member is not the leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<MemberId>,
    },
    /// No quorum confirmed in time that this member leads.
    #[error(transparent)]
    Unconfirmed(#[from] ReadError),
}

/// Renews leases at the leader, and ends those that were not renewed.
#[derive(Clone)]
pub struct LeaseKeeper {
    shared: Arc<Shared>,
}

struct Shared {
    raft: Raft,
    reads: ReadGate,
    store: Arc<StateStore>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    /// The term in which this member leads and knows every lease; none otherwise.
    serving: watch::Sender<Option<u64>>,
}

/// The leases of a leader.
#[derive(Default)]
struct Kept {
    phase: Phase,
    leases: HashMap<LeaseId, Deadline>,
    /// When to look at a lease again, one entry each: a renewal only moves the deadline.
    due: BinaryHeap<Reverse<(Duration, LeaseId)>>,
    /// Leases that ended while the others were being read.
    ended_meanwhile: HashSet<LeaseId>,
    /// When somebody last looked whether this member stands still.
    looked_at: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Following,
    Reading,
    Leading,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    ttl: Duration,
    at: Duration,
    ending: bool,
}

impl LeaseKeeper {
    /// Makes the keeper. It serves once [`LeaseKeeper::run`] runs.
    pub fn new(raft: Raft, reads: ReadGate, store: Arc<StateStore>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            raft,
            reads,
            clock,
            kept: Mutex::default(),
            serving: watch::Sender::new(None),
            store,
        });
        let listener: Arc<dyn LeaseListener> = Arc::clone(&shared) as Arc<dyn LeaseListener>;
        shared.store.signals().set_lease_listener(listener);
        Self { shared }
    }

    /// Renews leases. Answers for each how long it lives from the moment the request was sent, in milliseconds; 0 for
    /// those that do not live.
    pub async fn keep_alive(&self, leases: &[u64]) -> Result<Vec<u64>, KeepAliveError> {
        let shared = &self.shared;
        let arrived = shared.clock.monotonic();
        if failpoints::pass("lease-renew").await {
            return Err(shared.not_leader());
        }
        let term = shared.serving_term().await?;
        let index = shared.reads.leader_index().await?;
        shared.applied(index).await?;
        // Under the lock: who stops leading says so before it forgets the leases, and one that is forgotten must not be
        // answered as one that has ended.
        let mut kept = shared.kept.lock();
        if *shared.serving.borrow() != Some(term) {
            drop(kept);
            return Err(shared.not_leader());
        }
        let answers = leases.iter().map(|lease| kept.renew(LeaseId(*lease), arrived));
        Ok(answers.collect())
    }

    /// How long a lease lives without a renewal, in milliseconds; none where this member does not lead.
    pub fn remaining_ms(&self, lease: LeaseId) -> Option<u64> {
        let kept = self.shared.kept.lock();
        let deadline = kept.leases.get(&lease).filter(|_| kept.phase == Phase::Leading)?;
        let left = deadline.at.saturating_sub(self.shared.clock.monotonic());
        u64::try_from(left.as_millis()).ok()
    }

    /// Follows leadership and ends leases, for as long as the member runs.
    pub async fn run(self, proposer: Proposer) {
        tokio::join!(
            self.shared.follow_leadership(),
            self.shared.notice_stalls(),
            self.shared.end_leases(&proposer)
        );
    }
}

impl Shared {
    /// The term in which this member leads and is ready.
    async fn serving_term(&self) -> Result<u64, KeepAliveError> {
        if let Some(term) = *self.serving.borrow() {
            return Ok(term);
        }
        if !self.raft.is_leader() {
            return Err(self.not_leader());
        }
        let mut serving = self.serving.subscribe();
        let ready = tokio::time::timeout(READY_TIMEOUT, serving.wait_for(Option::is_some)).await;
        match ready {
            Ok(Ok(term)) => term.ok_or_else(|| self.not_leader()),
            Ok(Err(_)) | Err(_) => Err(self.not_leader()),
        }
    }

    fn not_leader(&self) -> KeepAliveError {
        let leader = self.raft.server_metrics().borrow_watched().current_leader;
        KeepAliveError::NotLeader {
            leader: leader.filter(|leader| leader != self.raft.node_id()),
        }
    }

    async fn applied(&self, index: u64) -> Result<(), ReadError> {
        let mut applied = self.store.watch_applied();
        let reached = applied.wait_for(|applied: &Applied| applied.index >= index).await;
        reached.map(|_| ()).map_err(|_| ReadError::Stopped)
    }

    async fn follow_leadership(&self) {
        let mut metrics = self.raft.server_metrics();
        loop {
            let term = self.raft.is_leader().then(|| super::term(&self.raft));
            if *self.serving.borrow() != term {
                self.serving.send_replace(None);
                self.kept.lock().follow();
                if let Some(term) = term
                    && let Err(error) = self.lead(term).await
                {
                    tracing::debug!(%error, term, "not ready to renew leases yet");
                    self.kept.lock().follow();
                    tokio::time::sleep(TICK).await;
                    continue;
                }
            }
            // Leadership can change while the leases are read: look again before waiting.
            let now = self.raft.is_leader().then(|| super::term(&self.raft));
            if now == term && metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Learns every lease. The index is one of this leader's own term, so everything of earlier terms is applied then.
    async fn lead(&self, term: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.kept.lock().phase = Phase::Reading;
        if failpoints::pass("lease-lead").await {
            return Err(failpoints::injected("lease-lead").into());
        }
        let index = self.reads.leader_index().await?;
        self.applied(index).await?;
        // There may be a million: not on a thread that a heartbeat may need.
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || every_lease(&store)).await??;
        let count = found.len();
        let now = self.clock.monotonic();
        self.kept.lock().lead(found, now);
        self.serving.send_replace(Some(term));
        tracing::info!(term, leases = count, "renewing leases");
        Ok(())
    }

    /// Gives every lease the time in which this member did not run at all. It does nothing but look at the clock, so that
    /// nothing else makes it late.
    async fn notice_stalls(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            let now = self.clock.monotonic();
            let mut kept = self.kept.lock();
            let late = now.saturating_sub(kept.looked_at).saturating_sub(TICK);
            kept.looked_at = now;
            if late >= STALL_MIN && kept.phase != Phase::Following {
                tracing::warn!(?late, "this member was stopped: every lease gets that time");
                kept.postpone(late);
            }
        }
    }

    async fn end_leases(&self, proposer: &Proposer) {
        loop {
            tokio::time::sleep(TICK).await;
            loop {
                let Some(term) = *self.serving.borrow() else {
                    break;
                };
                let now = self.clock.monotonic();
                let leases = self.kept.lock().take_due(now, LEASES_PER_COMMAND);
                if leases.is_empty() {
                    break;
                }
                if failpoints::pass("lease-sweep").await {
                    self.kept.lock().try_again(&leases, now + RETRY);
                    break;
                }
                let command = Command::ExpireLeases(ExpireLeases {
                    term,
                    leases: leases.clone(),
                });
                tracing::debug!(term, leases = leases.len(), "ending leases that were not renewed");
                let proposed = proposer.propose(command).await;
                // Those that have ended are known by now. One command ends only so many, and one that names an older term
                // ends none: the others are looked at again.
                self.kept.lock().try_again(&leases, now + RETRY);
                if let Err(error) = proposed {
                    tracing::warn!(%error, leases = leases.len(), "leases could not be ended");
                    break;
                }
            }
        }
    }
}

fn every_lease(store: &StateStore) -> Result<Vec<(LeaseId, u64)>, StorageError> {
    let mut found = Vec::new();
    leases::scan(store.engine().view().as_ref(), LeaseId(0), &mut |lease, row| {
        found.push((lease, row.ttl_ms));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

impl LeaseListener for Shared {
    fn granted(&self, lease: LeaseId, ttl_ms: u64) {
        let now = self.clock.monotonic();
        self.kept.lock().granted(lease, ttl_ms, now);
    }

    fn ended(&self, lease: LeaseId) {
        self.kept.lock().ended(lease);
    }
}

impl Kept {
    fn follow(&mut self) {
        if canary::is(Canary::LeaseEndedByExLeader) {
            self.phase = Phase::Following;
            return;
        }
        *self = Kept {
            looked_at: self.looked_at,
            ..Kept::default()
        };
    }

    fn lead(&mut self, found: Vec<(LeaseId, u64)>, now: Duration) {
        for (lease, ttl_ms) in found {
            if !self.ended_meanwhile.contains(&lease) && !self.leases.contains_key(&lease) {
                self.insert(lease, ttl_ms, now);
            }
        }
        self.ended_meanwhile.clear();
        self.phase = Phase::Leading;
    }

    fn insert(&mut self, lease: LeaseId, ttl_ms: u64, now: Duration) {
        let ttl = Duration::from_millis(ttl_ms);
        let at = now + ttl;
        let ending = false;
        self.leases.insert(lease, Deadline { ttl, at, ending });
        self.due.push(Reverse((at, lease)));
    }

    fn granted(&mut self, lease: LeaseId, ttl_ms: u64, now: Duration) {
        if self.phase != Phase::Following {
            self.ended_meanwhile.remove(&lease);
            self.insert(lease, ttl_ms, now);
        }
    }

    fn ended(&mut self, lease: LeaseId) {
        self.leases.remove(&lease);
        if self.phase == Phase::Reading {
            self.ended_meanwhile.insert(lease);
        }
        // Entries of leases that were revoked would stay until their time is over.
        if self.due.len() > 2 * self.leases.len() + DUE_SPARE {
            let living = self
                .leases
                .iter()
                .map(|(lease, deadline)| Reverse((deadline.at, *lease)));
            self.due = living.collect();
        }
    }

    /// The time to live from `arrived` on, in milliseconds; 0 for a lease that does not live or is about to end.
    fn renew(&mut self, lease: LeaseId, arrived: Duration) -> u64 {
        match self.leases.get_mut(&lease) {
            Some(deadline) if !deadline.ending => {
                deadline.at = deadline.at.max(arrived + deadline.ttl);
                u64::try_from(deadline.ttl.as_millis()).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }

    /// Leases whose time is over, at most `count`. From here on they are not renewed.
    fn take_due(&mut self, now: Duration, count: usize) -> Vec<LeaseId> {
        let mut taken = Vec::new();
        // Stopped a moment ago, and nobody has given the leases their time back yet.
        if now.saturating_sub(self.looked_at) >= STALL_MIN {
            return taken;
        }
        while taken.len() < count
            && let Some(Reverse((at, lease))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Some(deadline) = self.leases.get_mut(&lease) else {
                continue;
            };
            if deadline.at > now && !deadline.ending {
                self.due.push(Reverse((deadline.at, lease)));
            } else {
                deadline.ending = true;
                taken.push(lease);
            }
        }
        taken
    }

    /// Looks at leases again whose end could not be proposed. They stay as good as ended.
    fn try_again(&mut self, leases: &[LeaseId], at: Duration) {
        for lease in leases.iter().filter(|lease| self.leases.contains_key(lease)) {
            self.due.push(Reverse((at, *lease)));
        }
    }

    /// Gives every lease this much more time.
    fn postpone(&mut self, late: Duration) {
        for deadline in self.leases.values_mut() {
            deadline.at += late;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: LeaseId = LeaseId(7);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Leases that are due by now, in a member that was not stopped.
    fn due(kept: &mut Kept, now: Duration) -> Vec<LeaseId> {
        kept.looked_at = now;
        kept.take_due(now, 10)
    }

    fn leading() -> Kept {
        let mut kept = Kept {
            phase: Phase::Reading,
            ..Kept::default()
        };
        kept.lead(vec![(LEASE, 1000)], ms(0));
        kept
    }

    #[test]
    fn a_lease_goes_when_its_time_is_over_and_not_before() {
        let mut kept = leading();
        assert!(due(&mut kept, ms(999)).is_empty());
        assert_eq!(due(&mut kept, ms(1000)), [LEASE]);
        assert!(due(&mut kept, ms(5000)).is_empty(), "it is proposed once");
    }

    #[test]
    fn a_renewal_counts_from_its_arrival_and_never_shortens() {
        let mut kept = leading();
        assert_eq!(kept.renew(LEASE, ms(600)), 1000);
        assert_eq!(kept.renew(LEASE, ms(100)), 1000);
        assert!(due(&mut kept, ms(1599)).is_empty());
        assert_eq!(due(&mut kept, ms(1600)), [LEASE]);
    }

    #[test]
    fn a_lease_whose_end_is_proposed_is_not_renewed_even_if_the_proposal_fails() {
        let mut kept = leading();
        due(&mut kept, ms(1000));
        assert_eq!(kept.renew(LEASE, ms(1001)), 0);
        kept.try_again(&[LEASE], ms(1200));
        assert_eq!(kept.renew(LEASE, ms(1100)), 0);
        assert_eq!(due(&mut kept, ms(1200)), [LEASE]);
        kept.ended(LEASE);
        kept.try_again(&[LEASE], ms(1300));
        assert!(due(&mut kept, ms(2000)).is_empty());
    }

    #[test]
    fn what_ends_or_begins_while_a_new_leader_reads_is_neither_revived_nor_lost() {
        let mut kept = Kept {
            phase: Phase::Reading,
            ..Kept::default()
        };
        kept.ended(LEASE);
        kept.granted(LeaseId(8), 500, ms(10));
        kept.lead(vec![(LEASE, 1000), (LeaseId(9), 700)], ms(20));
        assert_eq!(kept.renew(LEASE, ms(30)), 0);
        assert_eq!(due(&mut kept, ms(510)), [LeaseId(8)]);
        assert_eq!(due(&mut kept, ms(720)), [LeaseId(9)]);
    }

    #[test]
    fn a_member_that_does_not_lead_keeps_nothing() {
        let mut kept = leading();
        kept.follow();
        kept.granted(LeaseId(8), 500, ms(10));
        assert!(kept.leases.is_empty() && kept.due.is_empty());
        assert_eq!(kept.renew(LEASE, ms(1)), 0);
    }

    #[test]
    fn time_in_which_the_member_was_stopped_does_not_count() {
        let mut kept = leading();
        kept.postpone(ms(4000));
        assert!(due(&mut kept, ms(4999)).is_empty());
        assert_eq!(due(&mut kept, ms(5000)), [LEASE]);
    }

    #[test]
    fn nothing_ends_between_a_stop_and_the_moment_it_is_noticed() {
        let mut kept = leading();
        kept.looked_at = ms(400);
        assert!(kept.take_due(ms(4000), 10).is_empty());
        kept.looked_at = ms(4000);
        kept.postpone(ms(3600));
        assert!(due(&mut kept, ms(4599)).is_empty());
        assert_eq!(due(&mut kept, ms(4600)), [LEASE]);
    }

    #[test]
    fn leases_that_are_granted_and_revoked_leave_nothing_behind() {
        let mut kept = leading();
        for lease in 100..100_000 {
            kept.granted(LeaseId(lease), 3_600_000, ms(1));
            kept.ended(LeaseId(lease));
        }
        assert!(
            kept.due.len() <= 2 * kept.leases.len() + DUE_SPARE + 1,
            "{}",
            kept.due.len()
        );
        assert_eq!(due(&mut kept, ms(1000)), [LEASE]);
    }
}
