//! Tells caches to drop records, and hears which have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1::{CacheInvalidate, CacheSelector};
use tokio::sync::Notify;

use crate::watch::hub::Hub;
use crate::watch::stream::WatchStream;
use crate::watch::watches::WatchKey;

/// Invalidations of which somebody waits for answers. They are as many as calls that wait.
#[derive(Default)]
pub(in crate::watch) struct Invalidations {
    /// The id of the last one.
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

struct Waiting {
    /// Caches that have not said anything.
    silent: HashSet<WatchKey>,
    acknowledged: u64,
    changed: Arc<Notify>,
}

/// One that was sent; what comes of it is forgotten when this is dropped.
pub struct Invalidation {
    hub: Arc<Hub>,
    id: u64,
    told: u64,
    changed: Arc<Notify>,
}

impl Invalidations {
    /// A cache is there no longer: nobody waits for it.
    pub(in crate::watch) fn gone(&mut self, cache: WatchKey) {
        for waiting in self.waiting.values_mut() {
            if waiting.silent.remove(&cache) {
                waiting.changed.notify_waiters();
            }
        }
    }
}

impl Hub {
    /// Tells every cache of this member to drop what is selected. One whose client does not read ends instead.
    pub fn invalidate(self: &Arc<Self>, what: &CacheSelector) -> Invalidation {
        let mut watches = self.watches.lock();
        let caches = watches.live_caches();
        let told: u64 = caches.values().map(|of_stream| of_stream.len() as u64).sum();
        let changed = Arc::<Notify>::default();
        let id = {
            let mut invalidations = self.invalidations.lock();
            invalidations.last += 1;
            let silent = caches.values().flatten().map(|(key, _)| *key).collect();
            let waiting = Waiting {
                silent,
                acknowledged: 0,
                changed: Arc::clone(&changed),
            };
            let id = invalidations.last;
            invalidations.waiting.insert(id, waiting);
            id
        };
        for of_stream in caches.values() {
            let message = CacheInvalidate {
                watch_ids: of_stream.iter().map(|(_, id)| *id).collect(),
                invalidation_id: id,
                what: Some(what.clone()),
            };
            watches.tell_caches(of_stream, message);
        }
        watches.end_lagging();
        drop(watches);
        Invalidation {
            hub: Arc::clone(self),
            id,
            told,
            changed,
        }
    }
}

impl Invalidation {
    /// Caches that were told.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// How many have dropped it, when all have or are gone, or the time is over.
    pub async fn acknowledged(&self, wait: Duration) -> u64 {
        let all = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.count().1 == 0 {
                    return;
                }
                changed.await;
            }
        };
        // Those that are silent until then are not counted.
        let _ = tokio::time::timeout(wait, all).await;
        self.count().0
    }

    /// How many have dropped it, and how many may yet say so.
    fn count(&self) -> (u64, usize) {
        let invalidations = self.hub.invalidations.lock();
        let waiting = invalidations.waiting.get(&self.id);
        waiting.map_or((0, 0), |waiting| (waiting.acknowledged, waiting.silent.len()))
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        self.hub.invalidations.lock().waiting.remove(&self.id);
    }
}

impl WatchStream {
    /// A cache says that it has dropped what it was told to. One that nobody waits for any more is no mistake.
    pub(crate) fn invalidated(&self, watch_id: u64, invalidation_id: u64) {
        let Some(cache) = self.outbox().find(watch_id) else {
            return;
        };
        let mut invalidations = self.hub().invalidations.lock();
        if let Some(waiting) = invalidations.waiting.get_mut(&invalidation_id)
            && waiting.silent.remove(&cache)
        {
            waiting.acknowledged += 1;
            waiting.changed.notify_waiters();
        }
    }
}
