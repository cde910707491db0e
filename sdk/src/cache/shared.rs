//! What all who use a cache share: the entries, what keeps them true, and how a look-up, a read and an invalidation go.
//!
//! Locks are taken in this order: a stream's, then a lane's, then those of the entries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_proto::v1;
use tokio::sync::broadcast;

use super::dropped::{DropCause, Dropped, WAITING_MAX};
use super::entry::{Cached, Entry, UNKNOWN_AGE};
use super::handle::UNBOUNDED;
use super::holds::Settled;
use super::key::{CacheKey, KeyRef, domain_or_default};
use super::lane::{KEYS_MAX, Lane, Writer};
use super::selects::{one_key, selects};
use super::settings::{CacheSettings, Coherence};
use super::stats::{CacheStats, Counts, Miss, count};
use super::store::Store;
use crate::record::Record;
use crate::seen::Seen;

/// Where the clock of a cache begins, in nanoseconds: what was read may be older than the client, by any age that a member may
/// know.
const CLOCK_BEGINS: u64 = 1 << 62;

/// Names of domains that are kept once for all their keys.
const DOMAINS_MAX: usize = 1_024;

/// A read that may fill the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    /// Invalidations before it began: those that come later are of what it brings, too.
    stamp: u64,
    began: u64,
}

pub(crate) struct Shared {
    pub(super) settings: CacheSettings,
    pub(super) store: Store,
    eventual: Lane,
    strong: Lane,
    /// Held by whoever changes relaxed entries.
    relaxed: Mutex<()>,
    pub(super) seen: Arc<Seen>,
    origin: Instant,
    pub(super) counts: Counts,
    dropped: broadcast::Sender<Dropped>,
    stamp: AtomicU64,
    closed: AtomicBool,
    domains: Mutex<BTreeSet<Arc<str>>>,
    /// The clock of a test.
    #[cfg(test)]
    pub(super) scripted_now: std::sync::OnceLock<Arc<AtomicU64>>,
}

impl Shared {
    pub(super) fn new(settings: CacheSettings, seen: Arc<Seen>) -> Self {
        Self {
            store: Store::new(&settings),
            settings,
            eventual: Lane::new(Coherence::Eventual),
            strong: Lane::new(Coherence::Strong),
            relaxed: Mutex::default(),
            seen,
            origin: Instant::now(),
            counts: Counts::default(),
            dropped: broadcast::Sender::new(WAITING_MAX),
            stamp: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            domains: Mutex::default(),
            #[cfg(test)]
            scripted_now: std::sync::OnceLock::new(),
        }
    }

    /// The clock of the cache, in nanoseconds.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        #[cfg(test)]
        if let Some(now) = self.scripted_now.get() {
            return now.load(Ordering::SeqCst);
        }
        let elapsed = self.origin.elapsed();
        CLOCK_BEGINS + elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }

    /// When its clock shows so much.
    pub(super) fn instant(&self, at: u64) -> Instant {
        self.origin + Duration::from_nanos(at.saturating_sub(CLOCK_BEGINS))
    }

    /// None: nothing keeps such entries true.
    pub(super) fn lane(&self, coherence: Coherence) -> Option<&Lane> {
        match coherence {
            Coherence::Eventual => Some(&self.eventual),
            Coherence::Strong => Some(&self.strong),
            Coherence::Relaxed => None,
        }
    }

    pub(super) fn dropped(&self) -> broadcast::Receiver<Dropped> {
        self.dropped.subscribe()
    }

    /// The answer, no older than `staleness_max` nanoseconds, or why there is none.
    #[inline]
    pub(super) fn look_up(&self, key: KeyRef<'_>, staleness_max: u64) -> Result<Cached, Miss> {
        let found = match self.settings.coherence_in(key.domain()) {
            Coherence::Eventual => self.look_up_kept(&self.eventual, key, staleness_max),
            Coherence::Strong => self.look_up_kept(&self.strong, key, staleness_max),
            Coherence::Relaxed => self.look_up_relaxed(key, staleness_max),
        };
        if let Err(why) = &found {
            self.counts.miss(*why);
        }
        found
    }

    #[inline]
    fn look_up_kept(&self, lane: &Lane, key: KeyRef<'_>, staleness_max: u64) -> Result<Cached, Miss> {
        let standing = lane
            .proof
            .stand(staleness_max, || self.now(), || self.seen.point_at_once());
        let standing = match standing {
            Ok(standing) => standing,
            Err(why) => {
                // No proof helps where nothing is held.
                if !self.store.has(&key) {
                    return Err(Miss::Absent);
                }
                if why != Miss::Broken {
                    lane.asks.ask(staleness_max);
                    lane.nudge();
                }
                return Err(why);
            }
        };
        let entry = self.find(key, standing.now)?;
        lane.asks.ask(staleness_max);
        // What is known to be newer belongs to a revision that has not come whole.
        if entry.known_at > standing.position || !lane.proof.is_still(&standing) {
            return Err(Miss::Behind);
        }
        self.counts.hit();
        Ok(Cached {
            entry,
            revision: standing.position,
            staleness: standing.staleness,
        })
    }

    fn look_up_relaxed(&self, key: KeyRef<'_>, staleness_max: u64) -> Result<Cached, Miss> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Miss::Broken);
        }
        let now = self.now();
        let entry = self.find(key, now)?;
        let staleness = match entry.fresh_as_of {
            UNKNOWN_AGE => UNBOUNDED,
            fresh_as_of => now.saturating_sub(fresh_as_of),
        };
        if staleness > staleness_max {
            return Err(Miss::TooOld);
        }
        self.counts.hit();
        Ok(Cached {
            revision: entry.known_at,
            entry,
            staleness,
        })
    }

    #[inline]
    fn find(&self, key: KeyRef<'_>, now: u64) -> Result<Arc<Entry>, Miss> {
        let found = self.store.look_up(&key, self.counts.hits());
        found.filter(|entry| now < entry.expires_at).ok_or(Miss::Absent)
    }

    /// Keys without an entry that a watch hears of: as many as there may be with one, as far as the member has room for both.
    pub(super) fn empty_max(&self) -> usize {
        let entries_max = usize::try_from(self.settings.entries_max).unwrap_or(KEYS_MAX);
        entries_max.min(KEYS_MAX.saturating_sub(entries_max)).max(1)
    }

    /// When an entry that comes in now is over.
    pub(super) fn expiry(&self) -> u64 {
        let ttl = self
            .settings
            .ttl
            .map_or(u64::MAX, |ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX));
        self.now().saturating_add(ttl)
    }

    /// Before a read is sent whose answer may be held.
    pub(crate) fn begin_fill(&self) -> Fill {
        Fill {
            stamp: self.stamp.load(Ordering::Acquire),
            began: self.now(),
        }
    }

    /// As one that is before another page of the same revision: what it brings is as old as the first.
    pub(super) fn begin_page(&self, first: Fill) -> Fill {
        Fill {
            stamp: self.stamp.load(Ordering::Acquire),
            ..first
        }
    }

    /// The answer of a read of one key, no older than `staleness_ms` when it was given; `u64::MAX`: nobody knows.
    pub(crate) fn fill(
        &self,
        fill: Fill,
        domain: &str,
        key: &Bytes,
        header: &v1::ResponseHeader,
        staleness_ms: u64,
        record: Option<&Record>,
    ) {
        let domain = self.intern(domain);
        let coherence = self.settings.coherence_in(&domain);
        let key = CacheKey::new(&domain, key);
        let staleness = staleness_ms.saturating_mul(1_000_000);
        let fresh_as_of = fill.began.checked_sub(staleness).unwrap_or(UNKNOWN_AGE);
        let entry = Arc::new(Entry::new(
            &key.key,
            record.cloned(),
            header.revision,
            (fresh_as_of, self.expiry()),
            header.member_id,
            coherence,
        ));
        match self.lane(coherence) {
            None => self.fill_relaxed(fill, key, entry),
            Some(lane) => self.fill_kept(fill, lane, &key, header.store_epoch, entry),
        }
    }

    fn fill_relaxed(&self, fill: Fill, key: CacheKey, entry: Arc<Entry>) {
        let _relaxed = self.relaxed.lock();
        let is_newer = |held: Arc<Entry>| held.known_at > entry.known_at;
        if !self.is_current(fill) || self.store.get(&key).is_some_and(is_newer) {
            return;
        }
        self.store.insert(key, entry);
        count(&self.counts.fills);
        self.store.tidy();
        self.sweep_relaxed();
    }

    /// Called with the lock of relaxed entries held.
    fn sweep_relaxed(&self) {
        for gone in self.store.gone(Coherence::Relaxed) {
            self.tell_gone(gone.key, gone.expired);
        }
    }

    fn fill_kept(&self, fill: Fill, lane: &Lane, key: &CacheKey, epoch: u64, entry: Arc<Entry>) {
        let mut writer = lane.writer.lock();
        self.sweep(lane, &mut writer);
        if !self.is_current(fill) || !writer.takes(epoch, &key.domain, self.now()) || self.store.holds(key) {
            return;
        }
        if let Some(settled) = writer.holds.read(key, entry) {
            self.settle(settled);
            self.sweep(lane, &mut writer);
        }
        drop(writer);
        lane.work.notify_one();
    }

    /// Nothing was invalidated since it began. Asked with the lock held under which invalidations drop.
    fn is_current(&self, fill: Fill) -> bool {
        fill.stamp == self.stamp.load(Ordering::Acquire) && !self.closed.load(Ordering::Acquire)
    }

    /// What a key turned out to be. Called with the lock of its lane held.
    pub(super) fn settle(&self, settled: Settled) {
        match settled {
            Settled::Keep(key, entry) => {
                if self.insert_newer(key, entry) {
                    count(&self.counts.fills);
                    self.store.tidy();
                }
            }
            Settled::Drop(key) => {
                if self.store.remove(&key).is_some() {
                    self.tell(key, DropCause::Changed);
                }
            }
        }
    }

    /// An event of a key that is held.
    pub(super) fn change(&self, key: CacheKey, entry: Arc<Entry>) {
        if self.insert_newer(key.clone(), entry) {
            count(&self.counts.changes);
            self.tell(key, DropCause::Changed);
        }
    }

    /// Called with the lock of the lane held: nobody else inserts.
    fn insert_newer(&self, key: CacheKey, entry: Arc<Entry>) -> bool {
        let held = self.store.get(&key);
        if held.is_some_and(|held| held.known_at >= entry.known_at) {
            return false;
        }
        self.store.insert(key, entry);
        true
    }

    /// Keys of entries that went by themselves are heard of no more.
    pub(super) fn sweep(&self, lane: &Lane, writer: &mut Writer) {
        for gone in self.store.gone(lane.coherence) {
            if !self.store.holds(&gone.key) {
                writer.holds.remove(&gone.key);
            }
            self.tell_gone(gone.key, gone.expired);
        }
    }

    fn tell_gone(&self, key: CacheKey, expired: bool) {
        let (counter, cause) = match expired {
            true => (&self.counts.expirations, DropCause::Expired),
            false => (&self.counts.evictions, DropCause::Evicted),
        };
        count(counter);
        self.tell(key, cause);
    }

    /// Makes room and ends what is over, from time to time.
    pub(super) fn tidy(&self, lane: &Lane) {
        self.store.tidy();
        self.sweep(lane, &mut lane.writer.lock());
    }

    pub(super) fn tell(&self, key: CacheKey, cause: DropCause) {
        if self.dropped.receiver_count() > 0 {
            // It is refused only if nobody listens any more.
            let _ = self.dropped.send(Dropped {
                domain: key.domain,
                key: key.key,
                cause,
            });
        }
    }

    /// Drops what is meant, and what is being read of it; how many entries went.
    pub(super) fn invalidate(&self, selector: &v1::CacheSelector) -> u64 {
        self.drop_selected(selector, DropCause::Invalidated)
    }

    pub(super) fn drop_selected(&self, selector: &v1::CacheSelector, cause: DropCause) -> u64 {
        // First: what was read before is not taken in from here on.
        self.stamp.fetch_add(1, Ordering::AcqRel);
        let domain = self.intern(&selector.domain);
        if let Some(key) = one_key(selector) {
            return u64::from(self.forget(&CacheKey::new(&domain, key), cause));
        }
        let meant = self.selected(selector, self.settings.coherence_in(&domain));
        meant.iter().map(|key| u64::from(self.forget(key, cause))).sum()
    }

    /// What is meant among entries of one coherence. Looked for while nobody fills: what is taken in afterwards is of a read that
    /// began later.
    fn selected(&self, selector: &v1::CacheSelector, coherence: Coherence) -> BTreeSet<CacheKey> {
        let entries = || {
            let meant = |(key, entry): &(CacheKey, Arc<Entry>)| selects(selector, key, Some(entry));
            self.store.entries().filter(meant).map(|(key, _)| key)
        };
        let Some(lane) = self.lane(coherence) else {
            let _relaxed = self.relaxed.lock();
            return entries().collect();
        };
        let writer = lane.writer.lock();
        // Those that are being asked for have no entry yet.
        let pending = writer.holds.keys().filter(|key| !self.store.holds(key));
        let pending = pending.filter(|key| selects(selector, key, None)).cloned();
        entries().chain(pending).collect()
    }

    /// Drops everything; how many entries went.
    pub(super) fn clear(&self) -> u64 {
        self.stamp.fetch_add(1, Ordering::AcqRel);
        let mut keys: BTreeSet<CacheKey> = BTreeSet::new();
        let all_of = |coherence| self.entries_of(coherence).into_iter().map(|(key, _)| key);
        for lane in [&self.eventual, &self.strong] {
            let writer = lane.writer.lock();
            keys.extend(writer.holds.keys().cloned());
            keys.extend(all_of(lane.coherence));
        }
        let relaxed = self.relaxed.lock();
        keys.extend(all_of(Coherence::Relaxed));
        drop(relaxed);
        let forgotten = keys.iter().map(|key| self.forget(key, DropCause::Invalidated));
        forgotten.map(u64::from).sum()
    }

    /// Drops one key. Whether it was there.
    fn forget(&self, key: &CacheKey, cause: DropCause) -> bool {
        let dropped = match self.lane(self.settings.coherence_in(&key.domain)) {
            Some(lane) => {
                let mut writer = lane.writer.lock();
                writer.holds.remove(key);
                let dropped = self.store.remove(key).is_some();
                drop(writer);
                lane.work.notify_one();
                dropped
            }
            None => {
                let _relaxed = self.relaxed.lock();
                self.store.remove(key).is_some()
            }
        };
        if dropped {
            if cause == DropCause::Invalidated {
                count(&self.counts.invalidations);
            }
            self.tell(key.clone(), cause);
        }
        dropped
    }

    /// The store was restored, or is another one: what a lane held of it says nothing any more.
    pub(super) fn drop_all_of(&self, coherence: Coherence) {
        for (key, _) in self.entries_of(coherence) {
            if self.store.remove(&key).is_some() {
                self.tell(key, DropCause::Changed);
            }
        }
    }

    pub(super) fn entries_of(&self, coherence: Coherence) -> Vec<(CacheKey, Arc<Entry>)> {
        let entries = self.store.entries();
        entries.filter(|(_, entry)| entry.coherence == coherence).collect()
    }

    /// The name of a domain, kept once.
    pub(super) fn intern(&self, domain: &str) -> Arc<str> {
        let domain = domain_or_default(domain);
        let mut domains = self.domains.lock();
        if let Some(known) = domains.get(domain) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(domain);
        if domains.len() < DOMAINS_MAX {
            domains.insert(Arc::clone(&name));
        }
        name
    }

    /// What it counted, and how much it holds, without a look at what may go.
    pub(crate) fn counted(&self) -> CacheStats {
        CacheStats {
            entries: self.store.count(),
            bytes: self.store.bytes(),
            ..self.counts.read()
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.store.tidy();
        for lane in [&self.eventual, &self.strong] {
            self.sweep(lane, &mut lane.writer.lock());
        }
        let relaxed = self.relaxed.lock();
        self.sweep_relaxed();
        drop(relaxed);
        let age = self.eventual.proof.age(self.now());
        let age = age.or_else(|| self.strong.proof.age(self.now()));
        CacheStats {
            entries: self.store.count(),
            bytes: self.store.bytes(),
            entries_max: self.settings.entries_max,
            bytes_max: self.settings.bytes_max,
            proof_age: age.map(Duration::from_nanos),
            ..self.counts.read()
        }
    }

    /// Answers nothing and takes nothing in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.eventual.close();
        self.strong.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
