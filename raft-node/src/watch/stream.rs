//! Where watches are asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_proto::v1 as proto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ending::Ending;
use super::hub::Hub;
use super::marks::AtLeast;
use super::outbox::Outbox;
use super::spec::WatchSpec;
use super::subscriptions::{Deliverer, Subscriptions};
use super::watches::WatchKey;
use crate::feed::Fed;
use crate::types::Revision;

/// Probes of one stream that may wait for the quorum or for the member, and as many again whose first mark was sent.
pub(super) const PROBES_MAX: usize = 16;
/// Bytes of what the selectors of all watches name, and of the keys of caches.
pub(super) const SELECTOR_BYTES_MAX: usize = 256 << 20;

/// A stream of a client; dropping it ends its watches.
pub struct WatchStream {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    /// One permit for each probe that may wait.
    probes: Arc<Semaphore>,
}

impl WatchStream {
    pub(super) fn new(hub: Arc<Hub>, outbox: Arc<Outbox>) -> Self {
        Self {
            hub,
            outbox,
            probes: Arc::new(Semaphore::new(PROBES_MAX)),
        }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What is on its way to the client.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Takes a watch in. It gets nothing before [`begin`](Self::begin). The refusals: too many watches, an id in use.
    pub fn add(&self, id: u64, spec: WatchSpec) -> Result<WatchKey, Ending> {
        let mut all = self.hub.watches.lock();
        let watches_max = self.hub.limits.watches_max;
        let watches = all.len() as u64;
        if self.outbox.is_in_use(id) {
            return Err(Ending::IdInUse(id));
        }
        if watches >= watches_max {
            return Err(Ending::TooMany { watches, watches_max });
        }
        let bytes = all.selector_bytes() + spec.selector_bytes();
        if bytes > SELECTOR_BYTES_MAX {
            let (bytes, bytes_max) = (bytes as u64, SELECTOR_BYTES_MAX as u64);
            return Err(Ending::TooLarge { bytes, bytes_max });
        }
        self.hub.names.learn(&spec.domains);
        let key = all.add(spec, &self.outbox, id).ok_or(Ending::IdInUse(id))?;
        self.hub.store.feed().set_watched(all.any_of_revisions());
        Ok(key)
    }

    /// The watch gets everything after `position`.
    pub fn begin(&self, key: WatchKey, position: Revision) {
        let mut watches = self.hub.watches.lock();
        let Some(watch) = watches.get(key) else { return };
        let (id, interval) = (watch.id, watch.spec.mark_interval);
        let (is_cache, is_coherent) = (watch.cache.is_some(), watch.spec.is_coherent());
        let position = if is_cache {
            // While nobody watched nothing was routed, and a gap that is noticed later would end the cache. It has no keys
            // yet: there is nothing that it could lack.
            if let Fed::Gap { newest } = self.hub.store.feed().after(watches.routed, 0) {
                watches.gap(newest);
            }
            position.max(watches.routed)
        } else {
            position
        };
        let lease_ms = match is_coherent {
            true => self.hub.coherence().lease_ms(),
            false => 0,
        };
        self.outbox
            .created((self.hub.header)(watches.routed), id, position, lease_ms);
        watches.begin(key, position);
        drop(watches);
        if let Some(interval) = interval {
            let due = self.hub.clock.monotonic() + interval;
            self.hub.marks.lock().schedule(due, key, &self.hub.watches.lock());
        }
        // While nobody watched, nothing was routed.
        self.hub.rescheduled.notify_one();
    }

    /// The watch, which is of the eventual tier, gets latest values: of what changes from now on, and, if `existing`, first of
    /// everything there is.
    pub(crate) fn subscribe(&self, key: WatchKey, subscriptions: &Arc<Subscriptions>, existing: bool) {
        let mut watches = self.hub.watches.lock();
        let Some(watch) = watches.get(key) else { return };
        let (subscription, subscribed) = subscriptions.add(&watch.spec);
        self.outbox.tell(watch.slot, Arc::clone(&subscription));
        self.outbox
            .created((self.hub.header)(watches.routed), watch.id, Revision(0), 0);
        watches.subscribe(key, subscribed);
        drop(watches);
        let (hub, tier) = (Arc::clone(&self.hub), subscriptions.tier());
        tokio::spawn(Deliverer::new(hub, tier, key, subscription, existing).run());
    }

    /// Ends a watch that cannot begin.
    pub(crate) fn fail(&self, key: WatchKey, error: proto::Error) {
        if let Some(watch) = self.hub.remove(key) {
            watch.outbox.ended(watch.slot, Some(error));
        }
    }

    /// Ends a watch because the client asked for it; nothing if there is none of this id.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(watch) = self.outbox.find(id).and_then(|key| self.hub.remove(key)) {
            watch.outbox.ended(watch.slot, None);
        }
    }

    /// Room for a probe. The refusal: too many wait.
    pub(crate) fn admit_probe(&self) -> Result<OwnedSemaphorePermit, Ending> {
        let probes_max = PROBES_MAX as u64;
        let permit = Arc::clone(&self.probes).try_acquire_owned();
        permit.map_err(|_| Ending::TooManyProbes { probes_max })
    }

    /// Some of these watches, or of all, are coherent caches.
    pub(crate) fn any_coherent(&self, ids: &[u64]) -> bool {
        if self.hub.coherence().is_idle() {
            return false;
        }
        let probed = self.probed(ids);
        let watches = self.hub.watches.lock();
        let mut each = probed.iter().filter_map(|key| watches.get(*key));
        each.any(|watch| watch.spec.is_coherent())
    }

    /// A cache says that it answers nothing older any more.
    pub(crate) fn cache_applied(&self, id: u64, revision: Revision) {
        let Some(key) = self.outbox.find(id) else { return };
        let watches = self.hub.watches.lock();
        let reached = watches.get(key).and_then(|watch| watches.reached(watch));
        if let Some(reached) = reached {
            // It cannot have heard of more than was sent.
            self.hub.coherence().applied(key, revision.min(reached));
        }
    }

    /// Asks for marks at `at_least` or later: of these watches, or of all.
    pub(crate) fn probe(&self, id: u64, permit: OwnedSemaphorePermit, ids: &[u64], at_least: AtLeast) {
        let mut probed = self.probed(ids);
        if let AtLeast::Newest { as_leader: false, .. } = at_least {
            let watches = self.hub.watches.lock();
            probed.retain(|key| watches.get(*key).is_some_and(|watch| !watch.spec.is_coherent()));
        }
        self.hub.marks.lock().ask(id, permit, &self.outbox, probed, at_least);
        self.hub.rescheduled.notify_one();
    }

    fn probed(&self, ids: &[u64]) -> Vec<WatchKey> {
        match ids {
            [] => self.outbox.watches(),
            ids => {
                let ids: BTreeSet<u64> = ids.iter().copied().collect();
                ids.iter().filter_map(|id| self.outbox.find(*id)).collect()
            }
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.hub.streams.lock().remove(&Arc::as_ptr(&self.outbox).addr());
        for key in self.outbox.watches() {
            self.hub.remove(key);
        }
        self.hub.marks.lock().forget(&self.outbox);
        self.outbox.close();
    }
}
