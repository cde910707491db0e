//! Coherent caches: a write is answered when none of them can answer with what was there before it.
//!
//! ```text
//! a mutation was applied -> hold.rs: which caches had one of its keys -> each has said CacheApplied, or its lease is over
//! ```
//!
//! A cache may answer for one lease from the moment at which it *sent* the last probe whose mark came. Here the lease is
//! counted from the moment at which that mark was put in its outbox, which is later, and a tenth longer, for two clocks that
//! do not run alike. So where it is over here, it is over there, and no clocks are compared.
//!
//! Only the leader knows of it, and only in memory. A new leader lets one lease pass before it answers writes of coherent
//! domains: every mark that its predecessor gave was confirmed by a quorum, and before any of that quorum elected the new
//! one, so the probe was sent before the new leader led.
//!
//! Invariants
//! * A key is here before it is looked up, and a write is applied before it looks for caches here: either the write finds the
//!   cache, or the cache is told what was written.
//! * Once a write has looked at a cache, the cache gets no mark before it has the event of that write ([`Ledger::prove`]). So a
//!   write waits for the lease that was running when it looked, and never for one that was proved later.
//! * A cache whose watch has ended is kept until its lease is over: it may not know yet.

mod hold;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::caches::KeyChange;
use super::watches::WatchKey;
use crate::environment::Clock;
use crate::types::{DomainId, Revision};
use hold::Blocker;
pub use hold::Hold;
use ledger::Ledger;

/// Keys that a revision touched.
pub type TouchedKeys = Arc<[(DomainId, Vec<u8>)]>;

/// The coherent caches of a member that leads, or led.
pub struct Coherence {
    lease: Duration,
    clock: Arc<dyn Clock>,
    ledger: Mutex<Ledger>,
    /// Caches in the ledger.
    caches: AtomicUsize,
}

/// Whether a write has to wait because others led before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leading {
    /// It touches nothing that caches of another leader may have.
    Any,
    /// This member leads in this term.
    Term(u64),
    /// It led when the write was proposed, and does not lead now.
    NoMore,
}

impl Coherence {
    /// Nobody caches anything. A cache may answer for `lease` after a proof.
    pub fn new(lease: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            lease,
            clock,
            ledger: Mutex::default(),
            caches: AtomicUsize::new(0),
        })
    }

    /// How long a cache may answer after it sent a probe whose mark came, in milliseconds.
    pub fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// There is no coherent cache.
    pub fn is_idle(&self) -> bool {
        self.caches.load(Ordering::Acquire) == 0
    }

    /// This member leads in this term, or leads no more.
    pub fn lead(&self, term: Option<u64>) {
        let now = self.clock.monotonic();
        self.ledger.lock().lead(term, now);
    }

    /// What a write that touched these keys at this revision waits for; none if for nothing. It was applied.
    pub fn hold(self: &Arc<Self>, revision: Revision, keys: TouchedKeys, leading: Leading) -> Option<Hold> {
        let (now, counted) = (self.clock.monotonic(), self.counted());
        let mut ledger = self.ledger.lock();
        let found = ledger.holders(&keys, revision);
        let blockers = ledger.blockers(found, revision, now);
        self.held(revision, Some(keys), blockers, ledger.led_since(leading, now), counted)
    }

    /// The same for a write of which nobody knows any more what it touched: it waits for every cache.
    pub fn hold_for_all(self: &Arc<Self>, revision: Revision, leading: Leading) -> Option<Hold> {
        let (now, counted) = (self.clock.monotonic(), self.counted());
        let mut ledger = self.ledger.lock();
        let all: BTreeSet<WatchKey> = ledger.caches().collect();
        let blockers = ledger.blockers(all, revision, now);
        self.held(revision, None, blockers, ledger.led_since(leading, now), counted)
    }

    fn held(
        self: &Arc<Self>,
        revision: Revision,
        keys: Option<TouchedKeys>,
        blockers: Vec<Blocker>,
        led_since: Option<Duration>,
        counted: Duration,
    ) -> Option<Hold> {
        let now = self.clock.monotonic();
        let led_until = led_since.map(|since| since + counted).filter(|until| *until > now);
        if blockers.is_empty() && led_until.is_none() {
            return None;
        }
        Some(Hold {
            coherence: Arc::clone(self),
            revision,
            keys,
            blockers,
            led_until,
        })
    }

    /// What the keys of all caches take, also of those that have ended.
    pub(super) fn bytes(&self) -> usize {
        self.ledger.lock().bytes()
    }

    /// A cache is there.
    pub(super) fn begin(&self, cache: WatchKey) {
        self.change_ledger(|ledger| ledger.begin(cache));
    }

    /// A cache has other keys.
    pub(super) fn change_keys(&self, cache: WatchKey, change: &KeyChange) {
        self.change_ledger(|ledger| ledger.change_keys(cache, change));
    }

    /// Added keys were compared, and the cache is told so behind every event up to `revision`.
    pub(super) fn compared(&self, cache: WatchKey, change: &KeyChange, revision: Revision) {
        self.change_ledger(|ledger| ledger.compared(cache, change, revision));
    }

    /// The cache answers nothing older than `revision` any more.
    pub(super) fn applied(&self, cache: WatchKey, revision: Revision) {
        self.ledger.lock().applied(cache, revision);
    }

    /// The cache is about to get a linearizable mark at `revision`; whether it may.
    pub(super) fn prove(&self, cache: WatchKey, revision: Revision) -> bool {
        let lease_end = self.clock.monotonic() + self.counted();
        self.ledger.lock().prove(cache, revision, lease_end)
    }

    /// The watch of a cache has ended.
    pub(super) fn end(&self, cache: WatchKey) {
        let now = self.clock.monotonic();
        self.change_ledger(|ledger| ledger.end(cache, now));
    }

    /// Forgets caches whose watch has ended, and whose lease is over.
    pub(super) fn forget_over(&self) {
        let now = self.clock.monotonic();
        self.change_ledger(|ledger| ledger.forget_over(now));
    }

    fn change_ledger(&self, change: impl FnOnce(&mut Ledger)) {
        let mut ledger = self.ledger.lock();
        change(&mut ledger);
        self.caches.store(ledger.len(), Ordering::Release);
    }

    /// A lease as it is counted here.
    fn counted(&self) -> Duration {
        self.lease + self.lease / 10
    }
}
