//! What a cache has done so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a look-up found nothing that it could answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// It is not held.
    Absent,
    /// The proof is older than was asked for.
    TooOld,
    /// The client has seen something newer than the cache has heard of.
    Behind,
    /// No stream keeps it true.
    Broken,
}

/// What a cache has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that it answered.
    pub hits: u64,
    /// Those that it did not, by their reason.
    pub misses: CacheMisses,
    /// Records, and absences, that reads brought in.
    pub fills: u64,
    /// Changes that the stream told of keys that are held.
    pub changes: u64,
    /// Entries that went for want of room.
    pub evictions: u64,
    /// Entries whose time to live was over.
    pub expirations: u64,
    /// Entries that were dropped because somebody asked for it.
    pub invalidations: u64,
    /// Entries right now.
    pub entries: u64,
    /// What they take, in bytes, by estimate.
    pub bytes: u64,
    /// The bound on entries.
    pub entries_max: u64,
    /// The bound on bytes, if one was set.
    pub bytes_max: Option<u64>,
    /// How long ago everything that is kept true by a stream was known to be the newest; absent while no stream does, and
    /// for a cache that is only relaxed. Of two streams that of [`Coherence::Eventual`](crate::Coherence::Eventual).
    pub proof_age: Option<Duration>,
}

impl CacheStats {
    /// The part of the look-ups that was answered, from 0 to 1; absent before the first one.
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.hits + self.misses.total();
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

/// Look-ups that were not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheMisses {
    /// The key was not held.
    pub absent: u64,
    /// What is held was not known to be as fresh as was asked for.
    pub too_old: u64,
    /// This client has seen a newer revision than its cache has heard of.
    pub behind: u64,
    /// No stream kept the cache true.
    pub broken: u64,
}

impl CacheMisses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.absent + self.too_old + self.behind + self.broken
    }
}

/// The same, while it is counted. Hits have a cache line of their own: nothing else is written as often.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Hits(AtomicU64);

#[derive(Debug, Default)]
pub(super) struct Counts {
    hits: Hits,
    absent: AtomicU64,
    too_old: AtomicU64,
    behind: AtomicU64,
    broken: AtomicU64,
    pub(super) fills: AtomicU64,
    pub(super) changes: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) expirations: AtomicU64,
    pub(super) invalidations: AtomicU64,
}

impl Counts {
    #[inline]
    pub(super) fn hit(&self) {
        count(&self.hits.0);
    }

    #[inline]
    pub(super) fn hits(&self) -> u64 {
        self.hits.0.load(Ordering::Relaxed)
    }

    pub(super) fn miss(&self, why: Miss) {
        count(match why {
            Miss::Absent => &self.absent,
            Miss::TooOld => &self.too_old,
            Miss::Behind => &self.behind,
            Miss::Broken => &self.broken,
        });
    }

    /// Without what only the cache itself knows.
    pub(super) fn read(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: read(&self.hits.0),
            misses: CacheMisses {
                absent: read(&self.absent),
                too_old: read(&self.too_old),
                behind: read(&self.behind),
                broken: read(&self.broken),
            },
            fills: read(&self.fills),
            changes: read(&self.changes),
            evictions: read(&self.evictions),
            expirations: read(&self.expirations),
            invalidations: read(&self.invalidations),
            ..CacheStats::default()
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
