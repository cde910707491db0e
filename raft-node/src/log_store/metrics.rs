//! Counters of the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::Histogram;

/// Counters since the store was opened. Only the writer thread changes them; anyone may read them.
#[derive(Debug, Default)]
pub struct LogMetrics {
    /// Syncs that succeeded, by how long they took.
    pub syncs: Histogram,
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

    pub(super) fn synced(&self, duration: Duration) {
        self.syncs.record(duration);
    }
}
