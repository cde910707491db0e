//! Caches among the watches of a member.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_proto::v1::{CacheInvalidate, Error};

use super::{KeyChange, KeySet};
use crate::types::Space;
use crate::watch::ending::Ending;
use crate::watch::watches::{Standing, Watch, WatchKey, Watches};

/// A cache, as far as it matters for whether it has to end.
pub(in crate::watch) struct CacheView<'w> {
    pub(in crate::watch) keys: &'w KeySet,
    pub(in crate::watch) coherent: bool,
}

impl Watches {
    /// Changes the keys of a cache that is live.
    pub(in crate::watch) fn change_keys(&mut self, key: WatchKey, change: &KeyChange) {
        let Some(watch) = self.watches.get_mut(key.place) else {
            return;
        };
        let Some(own) = watch.cache.as_mut().filter(|_| watch.number == key.number) else {
            return;
        };
        let (bytes, space) = (own.bytes(), Space::Keys(change.domain));
        for removed in &change.removed {
            if own.remove(change.domain, removed) {
                self.index.remove_key(space, removed, key.place);
            }
        }
        for added in &change.added {
            if own.insert(change.domain, &added.key) {
                self.index.insert_key(space, &added.key, key.place);
            }
        }
        self.selector_bytes = self.selector_bytes - bytes + own.bytes();
        if watch.spec.is_coherent() {
            self.coherence.change_keys(key, change);
        }
    }

    /// Some of them are caches.
    pub(in crate::watch) fn any_caches(&self) -> bool {
        self.caches > 0
    }

    /// Ends the caches that have to, with what `ending` says.
    pub(in crate::watch) fn end_caches(&mut self, ending: impl Fn(CacheView<'_>) -> Option<Error>) {
        if !self.any_caches() {
            return;
        }
        let judge = |(place, watch): (usize, &Watch)| {
            let error = ending(CacheView {
                keys: watch.cache.as_ref()?,
                coherent: watch.spec.is_coherent(),
            })?;
            let number = watch.number;
            Some((WatchKey { place, number }, error))
        };
        let ended: Vec<(WatchKey, Error)> = self.watches.iter().filter_map(judge).collect();
        for (key, error) in ended {
            if let Some(watch) = self.remove(key) {
                watch.outbox.ended(watch.slot, Some(error));
            }
        }
    }

    /// The caches that are there, with their ids, by stream.
    pub(in crate::watch) fn live_caches(&self) -> BTreeMap<usize, Vec<(WatchKey, u64)>> {
        let mut by_stream: BTreeMap<usize, Vec<(WatchKey, u64)>> = BTreeMap::new();
        if !self.any_caches() {
            return by_stream;
        }
        for (place, watch) in &self.watches {
            if watch.cache.is_some() && watch.standing == Standing::Live {
                let number = watch.number;
                let of_stream = by_stream.entry(Arc::as_ptr(&watch.outbox).addr()).or_default();
                of_stream.push((WatchKey { place, number }, watch.id));
            }
        }
        by_stream
    }

    /// Tells caches of one stream to drop something. Where the client does not read they are to end instead.
    pub(in crate::watch) fn tell_caches(&mut self, of_stream: &[(WatchKey, u64)], message: CacheInvalidate) {
        self.given.to_caches += of_stream.len() as u64;
        let outbox = of_stream
            .first()
            .and_then(|(key, _)| self.get(*key))
            .map(|watch| &watch.outbox);
        if outbox.is_some_and(|outbox| !outbox.invalidate(message)) {
            for (key, _) in of_stream {
                self.set_standing(key.place, Standing::Behind);
                self.lagging.push(*key);
            }
        }
    }

    /// Ends the caches that missed something. Until then they are in nobody's way: they are not live.
    pub(in crate::watch) fn end_lagging(&mut self) {
        for key in std::mem::take(&mut self.lagging) {
            if let Some(watch) = self.remove(key) {
                let ending = Ending::CacheLagged {
                    resume: watch.position.next(),
                };
                watch.outbox.ended(watch.slot, Some(ending.error()));
            }
        }
    }
}
