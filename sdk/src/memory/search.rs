//! Finding keys.

use super::handle::{Memory, Shared};
use super::metrics::count;
use super::table::pattern_of;
use crate::domain::Tier;
use crate::error::Result;
use crate::eventual::EventualType;
use crate::record::Keys;

/// Keys that one search finds in a tier.
const KEYS_MAX: usize = 10_000;

/// A key that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundKey {
    /// The key. One that others wrote and that is no UTF-8 has replacement characters.
    pub key: String,
    /// The tier that it is in.
    pub tier: Tier,
}

impl Memory {
    /// The keys that match a pattern, in both tiers, by key. `*` stands for anything within a path segment, `**` across
    /// segments; a `/*` at the end means everything below.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if more than 10,000 match in one tier; [`Closed`](crate::ErrorKind::Closed),
    /// and what any read may return.
    pub async fn search_keys(&self, pattern: impl AsRef<str>) -> Result<Vec<FoundKey>> {
        let shared = &self.shared;
        let _pass = shared.gate.enter_to_read()?;
        count(&shared.counters.reads, 1);
        if shared.batch.pending() > 0 {
            shared.flush().await;
        }
        let pattern = pattern_of(pattern.as_ref());
        let (strong, eventual) = futures::try_join!(shared.search_strong(&pattern), shared.search_eventual(&pattern))?;
        let mut found = strong;
        found.extend(eventual);
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }
}

impl Shared {
    async fn search_strong(&self, pattern: &str) -> Result<Vec<FoundKey>> {
        let range = self.client.range(Keys::pattern(pattern)).keys_only();
        let records = range.consistency(self.settings.level).all(KEYS_MAX).await?;
        Ok(records.iter().map(|record| found(&record.key, Tier::Strong)).collect())
    }

    /// A key may be there as several types, and is found once.
    async fn search_eventual(&self, pattern: &str) -> Result<Vec<FoundKey>> {
        let scan = |entry_type| {
            let scan = self.client.eventual().scan(Keys::pattern(pattern));
            scan.of(entry_type).keys_only().all(KEYS_MAX)
        };
        let (registers, maps, counters) = futures::try_join!(
            scan(EventualType::Register),
            scan(EventualType::Map),
            scan(EventualType::Counter)
        )?;
        let entries = registers.iter().chain(&maps).chain(&counters);
        let mut keys: Vec<FoundKey> = entries.map(|entry| found(&entry.key, Tier::Eventual)).collect();
        keys.sort_by(|one, other| one.key.cmp(&other.key));
        keys.dedup();
        Ok(keys)
    }
}

fn found(key: &[u8], tier: Tier) -> FoundKey {
    FoundKey {
        key: String::from_utf8_lossy(key).into_owned(),
        tier,
    }
}
