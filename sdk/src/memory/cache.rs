//! The cache behind a memory: the client's.

use super::handle::Memory;
use super::metrics::MemoryCacheMetrics;
use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::error::Result;

/// Records that a cache may hold: as many keys as a member listens for.
pub(super) const ENTRIES_MAX: u64 = 131_072;

/// A client with a cache of this many records.
pub(super) fn with_cache(builder: ClientBuilder, _entries_max: u64) -> ClientBuilder {
    builder
}

pub(super) fn metrics(_client: &Client) -> MemoryCacheMetrics {
    MemoryCacheMetrics::default()
}

impl Memory {
    /// Empties the cache. What is read next comes from a member.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::ErrorKind::Closed).
    pub fn clear_cache(&self) -> Result<()> {
        let _pass = self.shared.gate.enter_to_read()?;
        Ok(())
    }
}
