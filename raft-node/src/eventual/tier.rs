//! What every part of the tier at one member shares.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_eventual::{ActorId, SHARDS, ShardLimits, ShardNumber, Store};
use tokio::sync::Notify;

use super::changes::Changes;
use super::cold::LostValue;
use super::disk::Shelf;
use super::heal::{HEALS_MAX, Heal};
use super::peers::{Peer, Peers};
use crate::config;
use crate::environment::Clock;
use crate::metrics::Count;
use crate::types::DomainId;

/// Bounds and times of the tier.
#[derive(Clone, Copy, Debug)]
pub struct EventualOptions {
    /// What each shard keeps for peers.
    pub shard: ShardLimits,
    /// Bytes of frames that wait for one peer; past it, the peer gets what it lacks when it reads again.
    pub queue_bytes_max: usize,
    /// Time between two beats.
    pub beat: Duration,
    /// Time between two comparisons of the clocks of all shards.
    pub compare: Duration,
    /// Bytes of one frame, that is of what one shard can send or be at once.
    pub frame_bytes_max: usize,
    /// Time between two flushes to disk: what was written since the last one, and went to no peer, is lost if the process is
    /// killed. If the machine is, up to a second more.
    pub flush_interval: Duration,
}

impl Default for EventualOptions {
    fn default() -> Self {
        Self {
            shard: ShardLimits::default(),
            // Some 100,000 writes of 256 bytes, shared by the queues of all peers. With a quarter of that, peers that had to
            // share busy processors were cut off every few seconds, though they could follow.
            queue_bytes_max: 32 << 20,
            beat: Duration::from_millis(50),
            compare: Duration::from_secs(1),
            frame_bytes_max: 256 << 20,
            flush_interval: Duration::from_millis(100),
        }
    }
}

impl EventualOptions {
    /// Those of a configuration. What is meant for all shards is shared among them.
    pub fn of(settings: &config::Eventual, limits: &config::Limits) -> Self {
        let bytes = |setting: u64| usize::try_from(setting).unwrap_or(usize::MAX);
        let of_shard = |setting: u64| bytes(setting / u64::from(SHARDS));
        let operation_bytes = bytes(quorate_eventual::LOG_OPERATION_BYTES).max(1);
        Self {
            shard: ShardLimits {
                log_ops_max: of_shard(settings.log_bytes_max) / operation_bytes,
                orphan_bytes_max: of_shard(settings.orphan_bytes_max),
                value_bytes_max: bytes(limits.value_bytes_max),
                ..ShardLimits::default()
            },
            queue_bytes_max: bytes(settings.peer_queue_bytes_max),
            beat: Duration::from_millis(settings.beat_interval_ms),
            frame_bytes_max: bytes(settings.frame_bytes_max),
            flush_interval: Duration::from_millis(settings.flush_interval_ms),
            ..Self::default()
        }
    }
}

/// The tier at one member.
pub struct Tier {
    /// The shards.
    pub store: Store,
    /// The other members.
    pub peers: Peers,
    /// Which shards changed, for those who watch.
    pub changes: Changes,
    /// Bounds and times.
    pub options: EventualOptions,
    clock: Arc<dyn Clock>,
    /// By shard: somebody waits for it to go forward, here or at peers.
    advanced: Box<[Notify]>,
    /// A beat came.
    heard: Notify,
    /// Something was written here.
    wrote: Notify,
    heals: Mutex<VecDeque<Heal>>,
    healed: Count,
    caught_up: AtomicBool,
    /// Processes of peers that were seen to have ended, and how many of them this member has made sure of.
    processes_ended: AtomicU64,
    processes_checked: AtomicU64,
    /// No more writes of clients are taken.
    closed: AtomicBool,
    diverged_shards: AtomicU64,
    /// The way to values that are on the disk alone; none in a member without a disk.
    shelf: OnceLock<Shelf>,
    /// One of them could not be read.
    lost: OnceLock<LostValue>,
    /// When there was last no room to be made in a domain.
    pub(super) searched_in_vain: Mutex<BTreeMap<DomainId, Duration>>,
}

impl Tier {
    /// An empty tier of the process `id`.
    pub fn new(id: ActorId, options: EventualOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            store: Store::new(id, options.shard),
            peers: Peers::default(),
            changes: Changes::default(),
            options,
            clock,
            advanced: (0..SHARDS).map(|_| Notify::new()).collect(),
            heard: Notify::new(),
            wrote: Notify::new(),
            heals: Mutex::default(),
            healed: Count::default(),
            caught_up: AtomicBool::new(false),
            processes_ended: AtomicU64::new(0),
            processes_checked: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            diverged_shards: AtomicU64::new(0),
            shelf: OnceLock::new(),
            lost: OnceLock::new(),
            searched_in_vain: Mutex::default(),
        })
    }

    /// Values may leave the memory from now on.
    pub(super) fn set_shelf(&self, shelf: Shelf) {
        let _ = self.shelf.set(shelf);
    }

    /// See [`Tier::set_shelf`].
    pub(super) fn shelf(&self) -> Option<&Shelf> {
        self.shelf.get()
    }

    /// A value cannot be read any more.
    pub(super) fn set_lost(&self, lost: &LostValue) {
        let _ = self.lost.set(lost.clone());
    }

    /// The first value that could not be read: the member must not go on.
    pub(super) fn lost_value(&self) -> Option<&LostValue> {
        self.lost.get()
    }

    /// Milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// This member's monotonic clock.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// This member's monotonic clock in microseconds; never 0.
    pub fn monotonic_us(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Shards have operations of this process that peers lack. Called before anybody is told of them.
    pub fn wrote(&self, shards: impl IntoIterator<Item = ShardNumber>) {
        for shard in shards {
            self.changes.note(shard);
            if self.store.wrote(shard) {
                self.wrote.notify_one();
            }
        }
    }

    /// Waits until something was written, or a beat is due.
    pub(super) async fn until_written(&self, beat_in: Duration) {
        let _ = tokio::time::timeout(beat_in, self.wrote.notified()).await;
    }

    /// The shard went forward, here or at a peer.
    pub(super) fn went_forward(&self, shard: ShardNumber) {
        self.changes.note(shard);
        self.advanced[shard.index()].notify_waiters();
    }

    /// To wait until a shard goes forward, here or at a peer.
    pub(super) fn advanced(&self, shard: ShardNumber) -> &Notify {
        &self.advanced[shard.index()]
    }

    /// A beat came.
    pub(super) fn heard_something(&self) {
        self.heard.notify_waiters();
    }

    /// To wait until a beat comes.
    pub(super) fn heard(&self) -> &Notify {
        &self.heard
    }

    /// How old what is here may be: everything that a peer acknowledged longer ago is here. None if a peer was not heard of.
    ///
    /// Nor can it be told after the process of a peer has ended, until it is made sure that what others had got of that process
    /// is here too: a peer vouches for what it wrote itself, and nobody vouches for one that is gone.
    pub fn age(&self) -> Option<Duration> {
        if !self.peers.are_complete() || self.processes_to_check().is_some() {
            return None;
        }
        let now = self.monotonic_us();
        let oldest = self.peers.all().iter().map(|peer| peer.freshness.here_us()).min();
        match oldest {
            None => Some(Duration::ZERO),
            Some(0) => None,
            Some(us) => Some(Duration::from_micros(now.saturating_sub(us))),
        }
    }

    /// The process of a peer has ended, and another took its place.
    pub(super) fn process_ended(&self) {
        self.processes_ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Processes ended of which others may have more than this member. To be told to [`Tier::processes_are_checked`].
    pub(super) fn processes_to_check(&self) -> Option<u64> {
        let ended = self.processes_ended.load(Ordering::Acquire);
        (ended != self.processes_checked.load(Ordering::Acquire)).then_some(ended)
    }

    /// What others had after so many processes had ended is here.
    pub(super) fn processes_are_checked(&self, ended: u64) {
        self.processes_checked.fetch_max(ended, Ordering::AcqRel);
        self.heard.notify_waiters();
    }

    /// From now on clients are refused: what they wrote before is on its way to the other members.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// See [`Tier::close`].
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until every peer that is connected has what was written here, but no longer than `timeout`. Returns whether they
    /// have it.
    pub async fn handed_on(&self, timeout: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(5);
        let all_have_it = async {
            let own = ShardNumber::all().map(|shard| (shard, self.store.lock(shard).own_number()));
            let own: Vec<(ShardNumber, u64)> = own.filter(|(_, number)| *number > 0).collect();
            let lacks = |peer: &Peer| own.iter().any(|(shard, number)| peer.acked(*shard) < *number);
            while self.peers.all().iter().any(|peer| peer.is_connected() && lacks(peer)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(timeout, all_have_it).await.is_ok()
    }

    /// Keeps a report.
    pub(super) fn healed(&self, heal: Heal) {
        tracing::info!(
            peer = heal.peer,
            apart_ms = heal.apart.as_millis(),
            duration_ms = heal.duration.as_millis(),
            shards = heal.shards,
            merged = heal.applied.merged,
            conflicts_resolved = heal.applied.conflicts,
            siblings_left = heal.applied.siblings,
            discarded = heal.applied.discarded,
            bytes = heal.bytes,
            mode = heal.mode(),
            "even again with a member that could not be reached"
        );
        self.healed.increment();
        let mut heals = self.heals.lock();
        if heals.len() >= HEALS_MAX {
            heals.pop_front();
        }
        heals.push_back(heal);
    }

    /// How many reports there were since this process began.
    pub fn heals_count(&self) -> u64 {
        self.healed.get()
    }

    /// Operations that this process made.
    pub fn writes(&self) -> u64 {
        ShardNumber::all()
            .map(|shard| self.store.lock(shard).own_number())
            .sum()
    }

    /// The newest reports, the newest last.
    pub fn heals(&self) -> Vec<Heal> {
        self.heals.lock().iter().cloned().collect()
    }

    /// This process has what the others had when it started; until then its reads may be older than what the one before it
    /// had answered.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// See [`Tier::is_caught_up`].
    pub(super) fn set_caught_up(&self) {
        if !self.caught_up.swap(true, Ordering::AcqRel) {
            tracing::info!("the eventual tier has what there was when this process started");
            self.heard.notify_waiters();
        }
    }

    /// Shards whose state differs from a peer's though their clocks are equal: a bug, or damaged memory.
    pub fn diverged_shards(&self) -> u64 {
        self.diverged_shards.load(Ordering::Relaxed)
    }

    /// See [`Tier::diverged_shards`].
    pub(super) fn found_diverged(&self, shard: ShardNumber, peer: crate::types::MemberId) {
        self.diverged_shards.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            shard = shard.get(),
            peer,
            "a shard differs from a peer's though both have the same operations"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_all_shards_is_shared_among_them() {
        let options = EventualOptions::of(&config::Eventual::default(), &config::Limits::default());
        let operations = options.shard.log_ops_max as u64 * u64::from(SHARDS);
        let log_bytes = operations * quorate_eventual::LOG_OPERATION_BYTES;
        assert!((60 << 20..=64 << 20).contains(&log_bytes), "{log_bytes}");
        assert_eq!(options.shard.orphan_bytes_max, (64 << 20) / usize::from(SHARDS));
        let defaults = EventualOptions::default();
        assert_eq!(options.shard.value_bytes_max, defaults.shard.value_bytes_max);
        assert_eq!(
            (
                options.beat,
                options.queue_bytes_max,
                options.frame_bytes_max,
                options.flush_interval
            ),
            (
                defaults.beat,
                defaults.queue_bytes_max,
                defaults.frame_bytes_max,
                defaults.flush_interval
            )
        );
    }
}
