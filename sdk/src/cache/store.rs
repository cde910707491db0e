//! The entries, bounded. What the rest of the cache relies on: whatever goes without being asked to is told of, once.
//!
//! moka decides what stays, and an index of our own answers look-ups: moka takes notes of every look-up, which costs several
//! times as much as finding the entry does. Of those that find something it is told one in eight, of those that do not each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::entry::Entry;
use super::index::Index;
use super::key::{CacheKey, KeyRef};
use super::settings::{CachePolicy, CacheSettings, Coherence};

pub(super) type Hashing = foldhash::quality::RandomState;

/// The weight of everything is counted in 32 bits an entry.
const WEIGHT_BITS: u32 = 31;

/// Look-ups of which one is told to the policy, as a power of two.
const TOLD_BITS: u32 = 3;
/// Times this, a count has upper bits that follow no rhythm of the program's.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// An entry that went by itself.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) key: CacheKey,
    /// Its time was over; otherwise there was no room.
    pub(super) expired: bool,
}

struct Notices {
    index: Index,
    /// By what keeps them true.
    gone: [Mutex<Vec<Gone>>; 3],
    bytes: AtomicU64,
}

pub(super) struct Store {
    policy: Cache<CacheKey, Arc<Entry>, Hashing>,
    notices: Arc<Notices>,
}

impl Store {
    pub(super) fn new(settings: &CacheSettings) -> Self {
        let hashing = Hashing::default();
        let notices = Arc::new(Notices {
            index: Index::new(hashing.clone()),
            gone: Default::default(),
            bytes: AtomicU64::new(0),
        });
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
            policy: builder.build_with_hasher(hashing),
            notices,
        }
    }

    /// For a look-up, the `count`th of those that found something.
    #[inline]
    pub(super) fn look_up(&self, key: &KeyRef<'_>, count: u64) -> Option<Arc<Entry>> {
        let found = self.notices.index.get(key);
        if found.is_none() || count.wrapping_mul(SPREAD) >> (u64::BITS - TOLD_BITS) == 0 {
            self.policy.get(key);
        }
        found
    }

    /// For ourselves: it does not count as a look-up.
    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.notices.index.get(&key.borrowed())
    }

    /// As [`holds`](Self::holds), and it does not count as a look-up either.
    pub(super) fn has(&self, key: &KeyRef<'_>) -> bool {
        self.notices.index.get(key).is_some()
    }

    pub(super) fn holds(&self, key: &CacheKey) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Arc<Entry>) {
        self.notices.bytes.fetch_add(entry.bytes as u64, Ordering::Relaxed);
        // In this order: the policy may refuse it at once.
        self.notices.index.insert(key.clone(), Arc::clone(&entry));
        self.policy.insert(key, entry);
    }

    pub(super) fn remove(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        let removed = self.notices.index.remove(key, None);
        self.policy.invalidate(key);
        removed
    }

    /// Makes room, and forgets what is over.
    pub(super) fn tidy(&self) {
        self.policy.run_pending_tasks();
    }

    /// What went by itself since the last time, of what is kept true like this. It may be there again.
    pub(super) fn gone(&self, coherence: Coherence) -> Vec<Gone> {
        std::mem::take(&mut *self.notices.gone[place(coherence)].lock())
    }

    /// Everything that is held, as it is met; what comes and goes meanwhile may be among it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (CacheKey, Arc<Entry>)> {
        self.notices.index.entries()
    }

    pub(super) fn count(&self) -> u64 {
        self.policy.entry_count()
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
        // Another one may have come in its place.
        self.index.remove(key, Some(&entry));
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
        Arc::new(Entry::new(
            &key.key,
            Some(record),
            1,
            (0, u64::MAX),
            1,
            Coherence::Eventual,
        ))
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
