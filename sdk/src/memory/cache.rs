//! The cache behind a memory: the client's.

use quorate_proto::v1;

use super::handle::Memory;
use super::metrics::MemoryCacheMetrics;
use super::table::pattern_of;
use crate::builder::ClientBuilder;
use crate::cache::{Cache, CacheSettings, DropCause, DroppedItem, DroppedStream, keys_select};
use crate::client::Client;
use crate::error::Result;
use crate::record::Keys;

/// Records that a cache may hold.
pub(super) const ENTRIES_MAX: u64 = 126_976;
/// The domain of a memory's records.
const DOMAIN: &str = "default";

/// A client with a cache of this many records.
pub(super) fn with_cache(builder: ClientBuilder, entries_max: u64) -> ClientBuilder {
    builder.cache(CacheSettings::new().entries_max(entries_max))
}

pub(super) fn metrics(client: &Client) -> MemoryCacheMetrics {
    let stats = client.cache().map(|cache| cache.stats()).unwrap_or_default();
    MemoryCacheMetrics {
        hits: stats.hits,
        misses: stats.misses.total(),
        size: stats.entries,
        max: stats.entries_max,
        invalidated: stats.invalidations + stats.changes,
    }
}

impl Memory {
    /// The cache of the strong tier; none if the client that was given has none. What it answers is no older than the level
    /// that is asked for, and never older than what this memory has seen; progress, agents, heartbeats and metrics are not in
    /// it.
    pub fn cache(&self) -> Option<Cache> {
        self.shared.client.cache()
    }

    /// Empties the cache, of this client only. Returns how many entries that were. What is read next comes from a member.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::ErrorKind::Closed).
    pub fn clear_cache(&self) -> Result<u64> {
        let _pass = self.shared.gate.enter_to_read()?;
        Ok(self.cache().map_or(0, |cache| cache.clear()))
    }

    /// Drops the keys that match from the cache, of this client only. Returns how many entries that were. `*` stands for
    /// anything within a path segment, `**` across segments; a `/*` at the end means everything below.
    /// [`Cache::invalidate`] reaches every cache of the cluster.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an empty pattern; [`Closed`](crate::ErrorKind::Closed).
    pub async fn invalidate_pattern(&self, pattern: impl AsRef<str>) -> Result<u64> {
        let _pass = self.shared.gate.enter_to_read()?;
        match self.cache() {
            Some(cache) => Ok(cache
                .invalidate(Keys::pattern(pattern_of(pattern.as_ref())))
                .await?
                .dropped),
            None => Ok(0),
        }
    }
}

/// What is dropped from the cache of the keys that match a pattern.
pub(super) struct Invalidations {
    dropped: Option<DroppedStream>,
    keys: v1::KeySelector,
}

/// What happened to the cache.
#[derive(Debug)]
pub(super) enum Invalidation {
    /// This key was changed or invalidated.
    Key(String),
    /// So many were not told.
    Missed(u64),
}

impl Invalidations {
    /// Nothing ever comes if `wanted` is false, or if there is no cache.
    pub(super) fn new(client: &Client, keys: Keys, wanted: bool) -> Self {
        let cache = client.cache().filter(|_| wanted);
        Self {
            dropped: cache.map(|cache| cache.on_invalidate()),
            keys: keys.into_selector(),
        }
    }

    /// The next one. What is dropped before it is done loses nothing.
    pub(super) async fn next(&mut self) -> Invalidation {
        while let Some(dropped) = &mut self.dropped {
            match dropped.next().await {
                Some(DroppedItem::Entry(entry)) => {
                    let told = matches!(entry.cause, DropCause::Changed | DropCause::Invalidated);
                    if told && *entry.domain == *DOMAIN && keys_select(&self.keys, &entry.key) {
                        return Invalidation::Key(String::from_utf8_lossy(&entry.key).into_owned());
                    }
                }
                Some(DroppedItem::Missed(missed)) => return Invalidation::Missed(missed),
                None => self.dropped = None,
            }
        }
        std::future::pending().await
    }
}
