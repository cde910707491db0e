//! What a memory has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Memory`](crate::Memory) has done since it was made, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryMetrics {
    /// Values asked for; of a call for many, one for each answer.
    pub reads: u64,
    /// Writes and deletions that were taken.
    pub writes: u64,
    /// Keys whose values in conflict were made one.
    pub conflicts: u64,
    /// Of the cache.
    pub cache: MemoryCacheMetrics,
    /// Times that the batch was sent.
    pub syncs: u64,
    /// Writes that are not answered: those of the batch, and calls under way.
    pub pending_writes: u64,
    /// Writes of the batch that failed.
    pub failed_writes: u64,
    /// Subscriptions that are open.
    pub subscriptions: u64,
    /// What was seen of the cluster.
    pub clock: MemoryClock,
    /// Of the locks of tasks.
    pub locks: MemoryLockMetrics,
}

/// What the cache behind a [`Memory`](crate::Memory) has done. All zero if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryCacheMetrics {
    /// Reads that it answered.
    pub hits: u64,
    /// Reads that went to a member.
    pub misses: u64,
    /// Entries that it holds.
    pub size: u64,
    /// Entries that it may hold.
    pub max: u64,
    /// Entries that were dropped because they were changed, or by request.
    pub invalidated: u64,
}

impl MemoryCacheMetrics {
    /// The part of the reads that it answered, from 0 to 1; absent before the first one.
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

/// A summary of the causal token: how far this memory has seen the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryClock {
    /// The highest revision of the strong tier that was seen.
    pub revision: u64,
    /// How many counters of the eventual tier were seen; those of one process and shard are one.
    pub marks: u64,
}

/// What the locks of tasks have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryLockMetrics {
    /// Locks that were taken.
    pub acquired: u64,
    /// Times that somebody else had the lock.
    pub contended: u64,
    /// Locks that were given back.
    pub released: u64,
    /// Locks that are held.
    pub held: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) reads: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) failed_writes: AtomicU64,
    pub(super) locks_acquired: AtomicU64,
    pub(super) locks_contended: AtomicU64,
    pub(super) locks_released: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Counters {
    /// What there is besides is filled in by whoever has it.
    pub(super) fn read(&self) -> MemoryMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MemoryMetrics {
            reads: read(&self.reads),
            writes: read(&self.writes),
            conflicts: read(&self.conflicts),
            syncs: read(&self.syncs),
            failed_writes: read(&self.failed_writes),
            locks: MemoryLockMetrics {
                acquired: read(&self.locks_acquired),
                contended: read(&self.locks_contended),
                released: read(&self.locks_released),
                held: 0,
            },
            ..MemoryMetrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hit_rate_is_that_of_the_reads_and_none_before_the_first() {
        let mut cache = MemoryCacheMetrics::default();
        assert_eq!(cache.hit_rate(), None);
        (cache.hits, cache.misses) = (3, 1);
        assert_eq!(cache.hit_rate(), Some(0.75));
    }
}
