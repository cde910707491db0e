//! What a member does without being asked. Only the leader proposes; everything is re-checked where it is applied.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;

use super::stagger;
use crate::config::NodeConfig;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::consensus::{LogClock, LogId, Outlook, Proposer, Raft};
use crate::environment::SystemRandom;
use crate::eventual::Tier;
use crate::failpoints;
use crate::log_store::LogStore;
use crate::space::Space;
use crate::state_machine::{Cleaner, Command, Compact, ExpireClients, ExpireKeys, IDLE_TTL_MS, RunTimers, StateStore};
use crate::types::{LogTimeMs, Revision};

/// How often the leader looks for keys whose time has come.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often the leader looks for items that are due; a delay ends at most this much late.
const TIMER_INTERVAL: Duration = Duration::from_millis(20);
const TIMERS_PER_COMMAND: u32 = 500;
const EXPIRED_KEYS_PER_COMMAND: u32 = 1000;
const EXPIRED_CLIENTS_PER_COMMAND: u32 = 1000;
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);
/// Revisions whose garbage goes in one step: small, so that no step is felt.
const CLEANED_REVISIONS_PER_STEP: usize = 256;

/// The parts that the background tasks use.
#[derive(Clone)]
pub struct Background {
    /// Settings.
    pub config: Arc<NodeConfig>,
    /// Consensus.
    pub raft: Raft,
    /// Proposals.
    pub proposer: Proposer,
    /// Log time.
    pub clock: Arc<LogClock>,
    /// State.
    pub store: Arc<StateStore>,
    /// Log.
    pub log: LogStore,
    /// Peers.
    pub roster: Arc<Roster>,
    /// Connections to peers.
    pub network: PeerNetwork,
    /// Disks.
    pub space: Arc<Space>,
    /// The eventual tier.
    pub tier: Arc<Tier>,
    /// What is seen of the other members.
    pub outlook: Arc<Outlook>,
    /// Set when this member's state differs from the majority's.
    pub diverged: watch::Sender<Option<String>>,
}

impl Background {
    /// Starts every task on the current runtime; they end with it.
    pub fn start(self) {
        tokio::spawn(self.clone().follow_membership());
        tokio::spawn(self.clone().expire());
        tokio::spawn(self.clone().run_timers());
        tokio::spawn(self.clone().compact());
        tokio::spawn(self.clone().clean());
        tokio::spawn(self.clone().snapshot());
        tokio::spawn(super::actor_watch::retire(self.clone()));
        tokio::spawn(super::peer_watch::run(self));
    }

    fn leads(&self) -> bool {
        self.raft.is_leader()
    }

    /// Keeps the roster at the newest membership, which decides whose calls are accepted.
    async fn follow_membership(self) {
        let mut metrics = self.raft.server_metrics();
        let mut leader = None;
        loop {
            let known = metrics.borrow_watched().current_leader;
            if known.is_some() && known != leader {
                leader = known;
                self.outlook.leader_changes.increment();
            }
            let membership = metrics.borrow_watched().membership_config.clone();
            // Empty until consensus has reported once; the roster has the stored membership then.
            if membership.nodes().next().is_some() {
                self.roster
                    .set_members(membership.nodes().map(|(id, member)| (*id, member.clone())).collect());
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Proposes what queued items are due for.
    async fn run_timers(self) {
        loop {
            tokio::time::sleep(TIMER_INTERVAL).await;
            while self.leads() {
                let now = self.clock.log_time(crate::consensus::term(&self.raft));
                if self.store.applied().next_timer.is_none_or(|at| at > now) {
                    break;
                }
                if failpoints::pass("queue-timers").await {
                    break;
                }
                let timers_max = TIMERS_PER_COMMAND;
                let proposed = self
                    .proposer
                    .propose(Command::RunTimers(RunTimers { timers_max }))
                    .await;
                if proposed.is_err() {
                    break;
                }
            }
        }
    }

    async fn expire(self) {
        loop {
            tokio::time::sleep(EXPIRY_INTERVAL).await;
            if !self.leads() {
                continue;
            }
            let now = self.clock.log_time(crate::consensus::term(&self.raft));
            if self.store.has_expired_keys(now).unwrap_or(false) {
                let _ = self
                    .proposer
                    .propose(Command::ExpireKeys(ExpireKeys {
                        keys_max: EXPIRED_KEYS_PER_COMMAND,
                    }))
                    .await;
            }
            let idle_since = LogTimeMs(now.0.saturating_sub(IDLE_TTL_MS));
            if self
                .store
                .applied()
                .longest_idle_client
                .is_some_and(|last| last < idle_since)
            {
                let command = ExpireClients {
                    idle_since,
                    clients_max: EXPIRED_CLIENTS_PER_COMMAND,
                };
                let _ = self.proposer.propose(Command::ExpireClients(command)).await;
            }
        }
    }

    /// Moves the compaction boundary behind the newest revisions that must stay: those within `keep_revisions` and
    /// those younger than `keep_ms`.
    async fn compact(self) {
        let settings = &self.config.compaction;
        // Revision and log time at past looks, oldest first: enough of them to span keep_ms.
        let mut looks = std::collections::VecDeque::new();
        loop {
            tokio::time::sleep(Duration::from_millis(settings.interval_ms)).await;
            let applied = self.store.applied();
            let look = (applied.log_time, applied.revision);
            // Log time stands still in an idle cluster, where no look would ever become old and go.
            if looks.back() != Some(&look) {
                looks.push_back(look);
            }
            let old = LogTimeMs(applied.log_time.0.saturating_sub(settings.keep_ms));
            let mut old_enough = Revision(0);
            while looks.front().is_some_and(|(time, _)| *time <= old) {
                old_enough = looks.pop_front().map_or(old_enough, |(_, revision)| revision);
            }
            let by_count = applied.revision.0.saturating_sub(settings.keep_revisions);
            let boundary = Revision(by_count.min(old_enough.0));
            if boundary > applied.compacted && self.leads() && !failpoints::pass("compact").await {
                let _ = self
                    .proposer
                    .propose(Command::Compact(Compact { revision: boundary }))
                    .await;
            }
        }
    }

    /// Reclaims what compaction gave up, on every member, in small steps.
    async fn clean(self) {
        let cleaner = Cleaner;
        loop {
            let _ = failpoints::pass("clean").await;
            let (store, cleaner) = (Arc::clone(&self.store), cleaner);
            let step =
                tokio::task::spawn_blocking(move || cleaner.step(store.engine().as_ref(), CLEANED_REVISIONS_PER_STEP));
            match step.await {
                Ok(Ok(cleaned)) if cleaned >= CLEANED_REVISIONS_PER_STEP => tokio::task::yield_now().await,
                Ok(Ok(_)) => tokio::time::sleep(HOUSEKEEPING_INTERVAL).await,
                Ok(Err(error)) => {
                    tracing::error!(%error, "reclaiming space failed");
                    tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
                }
                Err(_) => return,
            }
        }
    }

    /// A snapshot after so many bytes of log, so that the log can be purged. What the log held at the start counts too:
    /// a member that restarts often would never reach the limit.
    async fn snapshot(self) {
        // The newest segment takes its full length on disk from the beginning, so it says nothing.
        let found = self
            .log
            .disk_bytes()
            .saturating_sub(self.config.storage.log_segment_bytes);
        let mut last = 0;
        let draw = || stagger::at_most(self.config.raft.snapshot_log_bytes, &SystemRandom);
        let mut between = draw();
        let mut snapshot_found = None;
        loop {
            tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
            self.decide_what_is_purged(&mut snapshot_found);
            let written = found + self.log.metrics().bytes.load(Ordering::Relaxed);
            if written - last >= between {
                last = written;
                between = draw();
                if let Err(error) = self.raft.trigger().snapshot().await {
                    tracing::warn!(%error, "a snapshot could not be started");
                }
            }
        }
    }

    /// Nothing is purged for a snapshot that was there at the start, which `found` is.
    fn decide_what_is_purged(&self, found: &mut Option<u64>) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let snapshot = metrics.snapshot.as_ref().map_or(0, LogId::index);
        if snapshot > *found.get_or_insert(snapshot) {
            let purged = metrics.purged.as_ref().map_or(0, LogId::index);
            let kept = self.config.raft.keep_log_entries;
            self.network.purge_point().decide(snapshot, purged, kept);
        }
    }
}
