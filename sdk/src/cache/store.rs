//! The entries, bounded. What the rest of the cache relies on: whatever goes without being asked to is told of, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::entry::Entry;
use super::key::{CacheKey, KeyRef};
use super::settings::{CachePolicy, CacheSettings, Coherence};

type Hashing = foldhash::quality::RandomState;

/// The weight of everything is counted in 32 bits an entry.
const WEIGHT_BITS: u32 = 31;

/// An entry that went by itself.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) key: CacheKey,
    /// Its time was over; otherwise there was no room.
    pub(super) expired: bool,
}

#[derive(Default)]
struct Notices {
    /// By what keeps them true.
    gone: [Mutex<Vec<Gone>>; 3],
    bytes: AtomicU64,
}

pub(super) struct Store {
    entries: Cache<CacheKey, Arc<Entry>, Hashing>,
    notices: Arc<Notices>,
}

impl Store {
    pub(super) fn new(settings: &CacheSettings) -> Self {
        let notices = Arc::new(Notices::default());
        let told = Arc::clone(&notices);
        let policy = match settings.policy {
            CachePolicy::TinyLfu => EvictionPolicy::tiny_lfu(),
            CachePolicy::Lru => EvictionPolicy::lru(),
        };
        let mut builder = Cache::builder()
            .max_capacity(settings.entries_max)
            .eviction_policy(policy)
            .eviction_listener(move |key: Arc<CacheKey>, entry, cause| told.removed(&key, entry, cause));
        if let Some(bytes_max) = settings.bytes_max {
            let unit = (bytes_max >> WEIGHT_BITS) + 1;
            let share = bytes_max.div_ceil(settings.entries_max);
            builder = builder
                .max_capacity(bytes_max / unit)
                .weigher(move |_, entry: &Arc<Entry>| {
                    let weight = share.max(entry.bytes as u64).div_ceil(unit);
                    u32::try_from(weight).unwrap_or(u32::MAX)
                });
        }
        if let Some(ttl) = settings.ttl {
            builder = builder.time_to_live(ttl);
        }
        Self {
            entries: builder.build_with_hasher(Hashing::default()),
            notices,
        }
    }

    #[inline]
    pub(super) fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    pub(super) fn holds(&self, key: &CacheKey) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Arc<Entry>) {
        self.notices.bytes.fetch_add(entry.bytes as u64, Ordering::Relaxed);
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.entries.remove(key)
    }

    /// Makes room, and forgets what is over.
    pub(super) fn tidy(&self) {
        self.entries.run_pending_tasks();
    }

    /// What went by itself since the last time, of what is kept true like this. It may be there again.
    pub(super) fn gone(&self, coherence: Coherence) -> Vec<Gone> {
        std::mem::take(&mut *self.notices.gone[place(coherence)].lock())
    }

    /// Everything that is held, as it is met; what comes and goes meanwhile may be among it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (CacheKey, Arc<Entry>)> {
        self.entries.iter().map(|(key, entry)| (CacheKey::clone(&key), entry))
    }

    pub(super) fn count(&self) -> u64 {
        self.entries.entry_count()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.notices.bytes.load(Ordering::Relaxed)
    }
}

fn place(coherence: Coherence) -> usize {
    match coherence {
        Coherence::Eventual => 0,
        Coherence::Strong => 1,
        Coherence::Relaxed => 2,
    }
}

impl Notices {
    fn removed(&self, key: &CacheKey, entry: Arc<Entry>, cause: RemovalCause) {
        self.bytes.fetch_sub(entry.bytes as u64, Ordering::Relaxed);
        let expired = match cause {
            RemovalCause::Expired => true,
            RemovalCause::Size => false,
            RemovalCause::Explicit | RemovalCause::Replaced => return,
        };
        self.gone[place(entry.coherence)].lock().push(Gone {
            key: key.clone(),
            expired,
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::Record;

    fn entry(key: &CacheKey, value_bytes: usize) -> Arc<Entry> {
        let record = Record {
            value: Bytes::from(vec![1; value_bytes]),
            ..Record::default()
        };
        Arc::new(Entry::new(&key.key, Some(record), 1, 0, 1, Coherence::Eventual))
    }

    fn fill(store: &Store, count: usize, value_bytes: usize) -> usize {
        let domain: Arc<str> = Arc::from("default");
        for index in 0..count {
            let key = CacheKey::new(&domain, format!("jobs/{index}").as_bytes());
            let entry = entry(&key, value_bytes);
            store.insert(key, entry);
        }
        store.tidy();
        store.entries().count()
    }

    #[test]
    fn there_are_never_more_entries_than_were_asked_for_and_what_goes_is_told() {
        for policy in [CachePolicy::TinyLfu, CachePolicy::Lru] {
            let store = Store::new(&CacheSettings::new().entries_max(10).policy(policy));
            assert_eq!(fill(&store, 25, 1), 10);
            let gone = store.gone(Coherence::Eventual);
            assert_eq!((gone.len(), gone.iter().any(|gone| gone.expired)), (15, false));
            assert_eq!(store.gone(Coherence::Eventual).len(), 0);
        }
    }

    #[test]
    fn bytes_and_entries_are_both_bounded() {
        let store = Store::new(&CacheSettings::new().entries_max(100).bytes_max(20_000));
        let held = fill(&store, 1_000, 1_000);
        assert!((5..=16).contains(&held), "{held}");
        assert!(store.bytes() <= 20_000, "{}", store.bytes());
        let store = Store::new(&CacheSettings::new().entries_max(3).bytes_max(1 << 40));
        assert!(fill(&store, 100, 1) <= 3);
    }
}
