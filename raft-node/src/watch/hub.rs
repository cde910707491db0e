//! Where what was applied finds those who want it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::v1::{self as proto, ResponseHeader};
use tokio::sync::Notify;

use super::caches::Invalidations;
use super::catch_up;
use super::coherence::Coherence;
use super::ending::Ending;
use super::marks::Marks;
use super::outbox::Outbox;
use super::ready::ReadyQueue;
use super::revision::RevisionEvents;
use super::stream::WatchStream;
use super::watches::{Standing, Watch, WatchKey, Watches};
use super::wire::DomainNames;
use crate::blocking::blocking;
use crate::environment::Clock;
use crate::failpoints;
use crate::feed::Fed;
use crate::metrics::Count;
use crate::mvcc::DomainTable;
use crate::state_machine::StateStore;
use crate::types::Revision;

/// Revisions that are routed before others may take the lock; fewer if they are for many.
const REVISIONS_PER_TURN: usize = 256;
/// Deliveries after which others may take the lock.
const DELIVERIES_PER_TURN: usize = 16_384;
/// How often a revision that was written is looked for in the feed, and the time between two looks: far longer than it takes.
const ROUTE_TRIES_MAX: u32 = 10_000;
const ROUTE_RETRY: Duration = Duration::from_micros(100);
/// Time between two looks for clients that do not read.
const STALL_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Who says from which point of the log a message speaks.
pub type Header = Box<dyn Fn(Revision) -> ResponseHeader + Send + Sync>;

/// The watches of a member.
pub struct Hub {
    pub(super) store: Arc<StateStore>,
    pub(super) ready: Arc<ReadyQueue>,
    pub(super) watches: Mutex<Watches>,
    pub(super) marks: Mutex<Marks>,
    pub(super) streams: Mutex<HashMap<usize, Arc<Outbox>>>,
    pub(super) invalidations: Arc<Mutex<Invalidations>>,
    coherence: Arc<Coherence>,
    closed: AtomicBool,
    pub(super) names: Arc<DomainNames>,
    /// The table of domains when caches were last compared with it.
    domains_seen: Mutex<Option<Arc<DomainTable>>>,
    outbox_bytes: Arc<AtomicUsize>,
    lagged: Count,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) header: Header,
    pub(super) limits: HubLimits,
    /// The times at which something is due have changed.
    pub(super) rescheduled: Notify,
}

/// What the watches of a member may take.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// Watches at a time.
    pub watches_max: u64,
    /// A client that lets a watch wait for so long is slow no more but gone.
    pub stall_max: Duration,
    /// A coherent cache may answer for so long after a proof.
    pub cache_lease: Duration,
}

/// How the watches of a member are, and what they got since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubFigures {
    /// Watches, caches included.
    pub watches: u64,
    /// Of those, watches that read the past.
    pub behind: u64,
    /// Caches.
    pub caches: u64,
    /// Keys that caches registered.
    pub cache_keys: u64,
    /// Events, each counted for each watch that got it.
    pub events: u64,
    /// Events that caches got, and invalidations.
    pub invalidations: u64,
    /// Watches that ended because nobody read.
    pub lagged: u64,
    /// Events that wait to be read.
    pub pending_bytes: u64,
}

impl Hub {
    /// Serves watches of this store from now on, on the runtime of the caller.
    pub fn start(store: Arc<StateStore>, clock: Arc<dyn Clock>, header: Header, limits: HubLimits) -> Arc<Self> {
        let names = Arc::<DomainNames>::default();
        let ready = Arc::<ReadyQueue>::default();
        let coherence = Coherence::new(limits.cache_lease, Arc::clone(&clock));
        let routed = store.applied().revision;
        let invalidations = Arc::<Mutex<Invalidations>>::default();
        let watches = Watches::new(
            routed,
            Arc::clone(&names),
            Arc::clone(&ready),
            Arc::clone(&coherence),
            Arc::clone(&invalidations),
        );
        let hub = Arc::new(Self {
            watches: Mutex::new(watches),
            store,
            ready,
            marks: Mutex::default(),
            streams: Mutex::default(),
            invalidations,
            coherence,
            closed: AtomicBool::new(false),
            names,
            domains_seen: Mutex::default(),
            outbox_bytes: Arc::default(),
            lagged: Count::default(),
            clock,
            header,
            limits,
            rescheduled: Notify::new(),
        });
        tokio::spawn(Arc::clone(&hub).run());
        tokio::spawn(catch_up::run(Arc::clone(&hub)));
        hub
    }

    /// Opens a stream.
    pub fn open(self: &Arc<Self>) -> Arc<WatchStream> {
        let outbox = Outbox::new(
            Arc::clone(&self.clock),
            Arc::clone(&self.ready),
            Arc::clone(&self.outbox_bytes),
        );
        let place = Arc::as_ptr(&outbox).addr();
        self.streams.lock().insert(place, Arc::clone(&outbox));
        if self.closed.load(Ordering::Acquire) {
            outbox.close();
        }
        Arc::new(WatchStream::new(Arc::clone(self), outbox))
    }

    /// Ends every stream, and those that are opened from now on: the member stops.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for outbox in self.streams.lock().values() {
            outbox.close();
        }
    }

    /// The coherent caches of this member.
    pub fn coherence(&self) -> &Arc<Coherence> {
        &self.coherence
    }

    /// Ends the coherent caches: this member does not lead.
    pub fn end_coherent(&self, error: &proto::Error) {
        let mut watches = self.watches.lock();
        watches.end_caches(|cache| cache.coherent.then(|| error.clone()));
        self.store.feed().set_watched(watches.any_of_revisions());
    }

    /// How the watches are. Looks at each of them, of which there are at most [`HubLimits::watches_max`].
    pub fn figures(&self) -> HubFigures {
        let watches = self.watches.lock();
        let behind = |watch: &&Watch| watch.standing == Standing::Behind;
        let all = || watches.watches.iter().map(|(_, watch)| watch);
        HubFigures {
            watches: watches.len() as u64,
            behind: all().filter(behind).count() as u64,
            caches: watches.caches as u64,
            cache_keys: all()
                .filter_map(|watch| watch.cache.as_ref())
                .map(|keys| keys.len() as u64)
                .sum(),
            events: watches.given.events,
            invalidations: watches.given.to_caches,
            lagged: self.lagged.get(),
            pending_bytes: self.outbox_bytes() as u64,
        }
    }

    /// Bytes of events that wait in the outboxes of all streams.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.load(Ordering::Relaxed)
    }

    async fn run(self: Arc<Self>) {
        let mut next_check = self.clock.monotonic() + STALL_CHECK_INTERVAL;
        loop {
            let due = self
                .marks
                .lock()
                .next_due()
                .map_or(next_check, |due| due.min(next_check));
            let wait = due.saturating_sub(self.clock.monotonic());
            tokio::select! {
                () = self.store.feed().published() => {}
                () = self.rescheduled.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            let mut more = true;
            while more {
                more = self.route();
                self.answer_probes();
                let now = self.clock.monotonic();
                self.marks.lock().send_due(now, &self.watches.lock(), &self.header);
                if now >= next_check {
                    self.cancel_stalled();
                    self.ready.unpark();
                    self.coherence.forget_over();
                    next_check = now + STALL_CHECK_INTERVAL;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Routes what was applied up to a revision that a reader has found in the store; whether it is routed. What is written
    /// is in the feed a moment later.
    pub(super) fn route_up_to(&self, revision: Revision) -> bool {
        let is_routed = || self.watches.lock().routed >= revision;
        if is_routed() {
            return true;
        }
        blocking(|| {
            for _ in 0..ROUTE_TRIES_MAX {
                if !self.route() {
                    std::thread::sleep(ROUTE_RETRY);
                }
                if is_routed() {
                    return true;
                }
            }
            false
        })
    }

    /// Routes some of what was applied; whether there may be more.
    fn route(&self) -> bool {
        let _ = failpoints::hit("watch-route");
        let mut watches = self.watches.lock();
        self.compare_caches_with_domains(&mut watches);
        let more = self.route_to(&mut watches);
        watches.end_lagging();
        self.store.feed().set_watched(watches.any_of_revisions());
        more
    }

    fn route_to(&self, watches: &mut Watches) -> bool {
        match self.store.feed().after(watches.routed, REVISIONS_PER_TURN) {
            Fed::Gap { newest } => watches.gap(newest),
            Fed::Revisions(revisions) if revisions.is_empty() => return false,
            Fed::Revisions(revisions) => {
                let mut deliveries = 0;
                for applied in revisions {
                    let newest = applied.revision;
                    match watches.route(&RevisionEvents::new(applied)) {
                        Ok(count) => deliveries += count,
                        Err(error) => {
                            // What apply has just made does not decode. The store says the same to whoever reads it.
                            tracing::error!(%error, revision = newest.0, "a revision could not be sent to those who watch");
                            watches.gap(newest);
                        }
                    }
                    if deliveries >= DELIVERIES_PER_TURN {
                        break;
                    }
                }
            }
        }
        true
    }

    pub(super) fn answer_probes(&self) {
        let mut marks = self.marks.lock();
        let mut watches = self.watches.lock();
        self.compare_caches_with_domains(&mut watches);
        marks.answer(&watches, &self.header);
    }

    /// The keys of a domain that is gone have no events any more, but another domain of its name may have such keys. What was
    /// applied is shown after the table that goes with it, so nothing that another domain has is routed or marked before
    /// this. For a coherent cache, writes of a domain that is coherent no more do not wait.
    fn compare_caches_with_domains(&self, watches: &mut Watches) {
        if !watches.any_caches() {
            return;
        }
        let table = self.store.domains().load();
        let mut seen = self.domains_seen.lock();
        if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &table)) {
            watches.end_caches(|cache| {
                let ending = cache.keys.domains().find_map(|domain| match cache.coherent {
                    _ if table.name(domain).is_none() => Some(Ending::CacheDomainGone),
                    true if !table.is_coherent(domain) => Some(Ending::CacheDomainIncoherent),
                    _ => None,
                });
                ending.map(|ending| ending.error())
            });
            *seen = Some(table);
        }
    }

    /// Ends the watches of clients that do not read, with the revision to resume from.
    fn cancel_stalled(&self) {
        let stall_max = self.limits.stall_max;
        let streams: Vec<_> = self.streams.lock().values().cloned().collect();
        for outbox in streams {
            if outbox.stalled_for() < stall_max {
                continue;
            }
            for key in outbox.starving() {
                self.cancel_lagging(key);
            }
        }
    }

    fn cancel_lagging(&self, key: WatchKey) {
        let Some(watch) = self.remove(key) else { return };
        self.lagged.increment();
        let withdrawn = watch.outbox.withdraw(watch.slot);
        let ending = Ending::Lagged {
            // Latest values have no revision: from 1 on everything that there is comes again.
            resume: withdrawn.unwrap_or(watch.position.next()).max(Revision(1)),
            stall_ms: u64::try_from(self.limits.stall_max.as_millis()).unwrap_or(u64::MAX),
        };
        watch.outbox.ended(watch.slot, Some(ending.error()));
    }

    /// Ends a watch that cannot go on.
    pub(super) fn end(&self, key: WatchKey, ending: &Ending) {
        if let Some(watch) = self.remove(key) {
            watch.outbox.ended(watch.slot, Some(ending.error()));
        }
    }

    pub(super) fn remove(&self, key: WatchKey) -> Option<Watch> {
        let mut watches = self.watches.lock();
        let removed = watches.remove(key);
        self.store.feed().set_watched(watches.any_of_revisions());
        removed
    }
}
