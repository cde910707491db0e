//! Counters of the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the store was opened. Only the writer thread changes them; anyone may read them.
#[derive(Debug, Default)]
pub struct LogMetrics {
    /// Syncs that succeeded.
    pub syncs: AtomicU64,
    /// Time spent in them, in nanoseconds.
    pub sync_nanoseconds: AtomicU64,
    /// The longest of them, in nanoseconds.
    pub sync_nanoseconds_max: AtomicU64,
    /// Entries written.
    pub entries: AtomicU64,
    /// Bytes written, with envelopes.
    pub bytes: AtomicU64,
    /// Space that the log takes on disk.
    pub disk_bytes: AtomicU64,
}

impl LogMetrics {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn synced(&self, nanoseconds: u64) {
        Self::add(&self.syncs, 1);
        Self::add(&self.sync_nanoseconds, nanoseconds);
        self.sync_nanoseconds_max.fetch_max(nanoseconds, Ordering::Relaxed);
    }
}
