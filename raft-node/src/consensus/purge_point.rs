//! Up to where the log is to be purged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries up to here are in a snapshot, and are more than are kept for members that lag behind. Copies are of the same point.
#[derive(Clone, Debug, Default)]
pub struct PurgePoint(Arc<AtomicU64>);

impl PurgePoint {
    /// It never goes back.
    pub fn advance(&self, index: u64) {
        self.0.fetch_max(index, Ordering::Relaxed);
    }

    /// The index of the last entry that is to go; 0 at first.
    pub fn index(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
