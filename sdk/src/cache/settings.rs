//! What a cache may hold, for how long, and how it is kept true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::key::domain_or_default;
use crate::builder::within;
use crate::error::{Error, Result};

/// Entries of one cache: a member keeps 131,072 keys of it, and some room is left for those that are on their way out.
const ENTRIES_MAX: u64 = 126_976;
const BYTES_MAX: u64 = 1 << 40;
const DAY_MS: u64 = 86_400_000;
/// Domains with a coherence of their own.
const DOMAINS_MAX: usize = 1_024;

/// What keeps a cache true, and so what it promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Coherence {
    /// A member pushes what changes, and nobody waits for it. An answer is no older than what was asked for and than what
    /// this client has seen. The default.
    #[default]
    Eventual,
    /// Nothing is pushed: what was read is answered until the time to live of the cache is over, which must be set. Within
    /// it a bound is kept. A local read may be older than what this client has seen elsewhere, though never older than its
    /// own writes of the key.
    Relaxed,
    /// Writers wait: a write is answered once no cache can answer with what was there before. The leader serves such a
    /// cache, and only domains that were made or changed to be coherent can be held by it.
    Strong,
}

/// Which entries go first when there are too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CachePolicy {
    /// Those that are asked for least, newcomers included: one that is asked for once does not drive out one that is asked
    /// for often. The default.
    #[default]
    TinyLfu,
    /// Those that were not asked for for longest.
    Lru,
}

/// Settings of a read-through cache, for [`ClientBuilder::cache`](crate::ClientBuilder::cache).
///
/// ```
/// use std::time::Duration;
/// use quorate::{CachePolicy, CacheSettings, Coherence};
///
/// let settings = CacheSettings::new()
///     .entries_max(10_000)
///     .policy(CachePolicy::Lru)
///     .ttl(Duration::from_secs(600))
///     .coherence_of("catalogue", Coherence::Relaxed);
/// # drop(settings);
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a client is built with them"]
pub struct CacheSettings {
    pub(super) entries_max: u64,
    pub(super) bytes_max: Option<u64>,
    pub(super) ttl: Option<Duration>,
    pub(super) policy: CachePolicy,
    pub(super) coherence: Coherence,
    pub(super) domains: BTreeMap<Arc<str>, Coherence>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            entries_max: 1_000,
            bytes_max: None,
            ttl: None,
            policy: CachePolicy::default(),
            coherence: Coherence::default(),
            domains: BTreeMap::new(),
        }
    }
}

impl CacheSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys it may hold, 1 to 126,976; that a key does not exist takes a place, too. Default: 1,000.
    pub fn entries_max(mut self, entries: u64) -> Self {
        self.entries_max = entries;
        self
    }

    /// How many bytes its entries may take, 1 to 2^40, 896 for the place of each included. Its number of entries is
    /// bounded nevertheless; so that both hold, an entry counts for at least the share that it has of the bytes if the cache
    /// has as many entries as it may. Default: no bound of its own.
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// How long an entry stays after it was read or changed, 1 ms to 365 days. Default: as long as there is room; a relaxed
    /// cache needs it.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Which entries go first. Default: [`CachePolicy::TinyLfu`].
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What keeps it true. Default: [`Coherence::Eventual`].
    pub fn coherence(mut self, coherence: Coherence) -> Self {
        self.coherence = coherence;
        self
    }

    /// What keeps the keys of one domain true, of at most 1,024. Default: as the others.
    pub fn coherence_of(mut self, domain: impl AsRef<str>, coherence: Coherence) -> Self {
        let domain = Arc::from(domain_or_default(domain.as_ref()));
        self.domains.insert(domain, coherence);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        within("cache.entries_max", self.entries_max, 1, ENTRIES_MAX)?;
        if let Some(bytes) = self.bytes_max {
            within("cache.bytes_max", bytes, 1, BYTES_MAX)?;
        }
        if let Some(ttl) = self.ttl {
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            within("cache.ttl", ttl_ms, 1, 365 * DAY_MS)?;
        }
        within("cache.coherence_of", self.domains.len() as u64, 0, DOMAINS_MAX as u64)?;
        if self.uses(Coherence::Relaxed) && self.ttl.is_none() {
            let message = "a relaxed cache needs a time to live: nothing else ends what it holds";
            return Err(Error::invalid("cache.ttl", message));
        }
        Ok(())
    }

    /// `domain` is written out.
    pub(super) fn coherence_in(&self, domain: &str) -> Coherence {
        if self.domains.is_empty() {
            return self.coherence;
        }
        self.domains.get(domain).copied().unwrap_or(self.coherence)
    }

    /// Whether any domain is kept true like that.
    pub(super) fn uses(&self, coherence: Coherence) -> bool {
        self.coherence == coherence || self.domains.values().any(|own| *own == coherence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_nothing_are_refused_by_name() {
        let refused = |settings: CacheSettings| settings.check().unwrap_err().message().to_owned();
        let settings = CacheSettings::new;
        assert_eq!(
            refused(settings().entries_max(0)),
            "cache.entries_max is 0; it may be 1 to 126976"
        );
        assert!(refused(settings().bytes_max(0)).starts_with("cache.bytes_max is 0"));
        assert!(refused(settings().ttl(Duration::ZERO)).starts_with("cache.ttl is 0"));
        assert!(refused(settings().entries_max(126_977)).contains("126977"));
        assert!(settings().check().is_ok());
    }

    #[test]
    fn a_relaxed_cache_needs_a_time_to_live() {
        let relaxed = CacheSettings::new().coherence_of("catalogue", Coherence::Relaxed);
        assert!(relaxed.check().unwrap_err().message().contains("time to live"));
        let relaxed = relaxed.ttl(Duration::from_secs(1));
        relaxed.check().unwrap();
        assert_eq!(relaxed.coherence_in("catalogue"), Coherence::Relaxed);
        assert_eq!(relaxed.coherence_in("default"), Coherence::Eventual);
    }
}
