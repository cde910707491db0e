//! Which coherent caches have which keys, how far each is, and how long it may answer. Knows no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Leading;
use super::hold::Blocker;
use crate::types::{DomainId, Revision};
use crate::watch::caches::{KeyChange, KeySet};
use crate::watch::watches::WatchKey;

/// See the [module](super).
#[derive(Default)]
pub(super) struct Ledger {
    caches: BTreeMap<WatchKey, Cache>,
    holders: HashMap<DomainId, HashMap<Vec<u8>, Vec<Holder>>>,
    /// What the keys of all caches take, also of those that have ended.
    bytes: usize,
    /// The term in which this member leads, and when that was first seen.
    leading: Option<(u64, Duration)>,
}

struct Cache {
    keys: KeySet,
    /// It answers nothing older.
    applied: Revision,
    /// It gets no mark before this: a write looked at it.
    floor: Revision,
    /// It does not answer from then on. None: it was never proved, and has not answered yet.
    lease_end: Option<Duration>,
    has_ended: bool,
    changed: Arc<Notify>,
}

impl Cache {
    /// It has ended, and can answer nothing any more.
    fn is_over(&self, now: Duration) -> bool {
        self.has_ended && (self.keys.is_empty() || self.lease_end.is_none_or(|end| end <= now))
    }
}

/// A cache that has a key.
struct Holder {
    cache: WatchKey,
    /// What it has of the key is not older: every event up to here came before the answer that the key was added and
    /// compared, and it tells nothing of the key before that answer. 0 until then.
    known: Revision,
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.caches.len()
    }

    /// What the keys of all caches take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn caches(&self) -> impl Iterator<Item = WatchKey> {
        self.caches.keys().copied()
    }

    pub(super) fn begin(&mut self, cache: WatchKey) {
        let new = Cache {
            keys: KeySet::default(),
            applied: Revision(0),
            floor: Revision(0),
            lease_end: None,
            has_ended: false,
            changed: Arc::default(),
        };
        self.caches.insert(cache, new);
    }

    pub(super) fn change_keys(&mut self, key: WatchKey, change: &KeyChange) {
        let Some(cache) = self.caches.get_mut(&key) else {
            return;
        };
        self.bytes -= cache.keys.bytes();
        for removed in &change.removed {
            if cache.keys.remove(change.domain, removed) {
                forget(&mut self.holders, change.domain, removed, key);
            }
        }
        for added in &change.added {
            // One that is added again keeps what is known of it: the cache may answer with what it had until it is told.
            if cache.keys.insert(change.domain, &added.key) {
                let of_domain = self.holders.entry(change.domain).or_default();
                of_domain.entry(added.key.clone()).or_default().push(Holder {
                    cache: key,
                    known: Revision(0),
                });
            }
        }
        self.bytes += cache.keys.bytes();
        cache.changed.notify_waiters();
    }

    pub(super) fn compared(&mut self, key: WatchKey, change: &KeyChange, revision: Revision) {
        let Some(of_domain) = self.holders.get_mut(&change.domain) else {
            return;
        };
        for added in &change.added {
            let holders = of_domain.get_mut(&added.key);
            let own = holders.and_then(|holders| holders.iter_mut().find(|holder| holder.cache == key));
            // One that the cache had already may be answered with what it had before.
            if let Some(holder) = own.filter(|holder| holder.known == Revision(0)) {
                holder.known = revision;
            }
        }
        if let Some(cache) = self.caches.get(&key) {
            cache.changed.notify_waiters();
        }
    }

    pub(super) fn applied(&mut self, key: WatchKey, revision: Revision) {
        if let Some(cache) = self.caches.get_mut(&key).filter(|cache| cache.applied < revision) {
            cache.applied = revision;
            cache.changed.notify_waiters();
        }
    }

    /// Extends the lease, unless a write that the cache has not heard of has looked at it.
    pub(super) fn prove(&mut self, key: WatchKey, revision: Revision, lease_end: Duration) -> bool {
        let Some(cache) = self.caches.get_mut(&key).filter(|cache| revision >= cache.floor) else {
            return false;
        };
        cache.lease_end = cache.lease_end.max(Some(lease_end));
        true
    }

    pub(super) fn end(&mut self, key: WatchKey, now: Duration) {
        if let Some(cache) = self.caches.get_mut(&key) {
            cache.has_ended = true;
            if cache.is_over(now) {
                self.forget(key);
            }
        }
    }

    pub(super) fn forget_over(&mut self, now: Duration) {
        let over = self.caches.iter().filter(|(_, cache)| cache.is_over(now));
        let over: Vec<WatchKey> = over.map(|(key, _)| *key).collect();
        for key in over {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: WatchKey) {
        let Some(cache) = self.caches.remove(&key) else {
            return;
        };
        self.bytes -= cache.keys.bytes();
        for (domain, name) in cache.keys.iter() {
            forget(&mut self.holders, domain, name, key);
        }
        cache.changed.notify_waiters();
    }

    pub(super) fn lead(&mut self, term: Option<u64>, now: Duration) {
        if self.leading.map(|(term, _)| term) != term {
            self.leading = term.map(|term| (term, now));
        }
    }

    /// Since when this member leads, as far as it matters.
    pub(super) fn led_since(&mut self, leading: Leading, now: Duration) -> Option<Duration> {
        match leading {
            Leading::Any => None,
            Leading::Term(term) => {
                self.lead(Some(term), now);
                self.leading.map(|(_, since)| since)
            }
            // The term in which it led may have begun at any time, so perhaps just now.
            Leading::NoMore => Some(now),
        }
    }

    /// The caches that may have something of one of the keys from before the revision.
    pub(super) fn holders(&self, keys: &[(DomainId, Vec<u8>)], revision: Revision) -> BTreeSet<WatchKey> {
        let each = keys
            .iter()
            .filter_map(|(domain, key)| self.holders.get(domain)?.get(key));
        let older = each.flatten().filter(|holder| holder.known < revision);
        older.map(|holder| holder.cache).collect()
    }

    /// Those of them that a write at this revision waits for. None of them gets a mark before the revision from here on.
    pub(super) fn blockers(&mut self, caches: BTreeSet<WatchKey>, revision: Revision, now: Duration) -> Vec<Blocker> {
        let mut blockers = Vec::new();
        for key in caches {
            let Some(cache) = self.caches.get_mut(&key) else {
                continue;
            };
            cache.floor = cache.floor.max(revision);
            if cache.applied < revision
                && let Some(until) = cache.lease_end.filter(|end| *end > now)
            {
                let changed = Arc::clone(&cache.changed);
                blockers.push(Blocker {
                    cache: key,
                    until,
                    changed,
                });
            }
        }
        blockers
    }

    /// The cache may still have something of one of the keys, or of any, from before the revision.
    pub(super) fn blocks(&self, key: WatchKey, revision: Revision, keys: Option<&[(DomainId, Vec<u8>)]>) -> bool {
        let is_older = self.caches.get(&key).is_some_and(|cache| cache.applied < revision);
        is_older && keys.is_none_or(|keys| self.has_any(key, revision, keys))
    }

    fn has_any(&self, cache: WatchKey, revision: Revision, keys: &[(DomainId, Vec<u8>)]) -> bool {
        let mut each = keys
            .iter()
            .filter_map(|(domain, key)| self.holders.get(domain)?.get(key));
        each.any(|holders| {
            let mut own = holders.iter().filter(|holder| holder.cache == cache);
            own.any(|holder| holder.known < revision)
        })
    }
}

fn forget(
    holders: &mut HashMap<DomainId, HashMap<Vec<u8>, Vec<Holder>>>,
    domain: DomainId,
    key: &[u8],
    cache: WatchKey,
) {
    let Some(of_domain) = holders.get_mut(&domain) else {
        return;
    };
    if let Some(of_key) = of_domain.get_mut(key) {
        of_key.retain(|holder| holder.cache != cache);
        if of_key.is_empty() {
            of_domain.remove(key);
        }
    }
    if of_domain.is_empty() {
        holders.remove(&domain);
    }
}
