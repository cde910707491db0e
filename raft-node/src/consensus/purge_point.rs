//! Up to where the log is to be purged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries are purged so many at a time, at least: each purge is a write.
pub(super) const PURGED_MIN: u64 = 1024;

/// Entries up to here are in a snapshot, and are more than are kept for members that lag behind. Copies are of the same point.
#[derive(Clone, Debug, Default)]
pub struct PurgePoint(Arc<AtomicU64>);

impl PurgePoint {
    /// As openraft decides it when there is a new snapshot: up to which entry it is, up to which the log is purged, and how many
    /// entries before the snapshot are kept.
    pub fn decide(&self, snapshot: u64, purged: u64, kept: u64) {
        let point = snapshot.saturating_sub(kept);
        if point >= purged.saturating_add(PURGED_MIN) {
            self.set(point);
        }
    }

    /// It never goes back.
    pub(super) fn set(&self, index: u64) {
        self.0.fetch_max(index, Ordering::Relaxed);
    }

    /// The index of the last entry that is to go; 0 at first.
    pub fn index(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_and_little_is_not_worth_it() {
        let point = PurgePoint::default();
        for (snapshot, purged, expected) in [
            (50, 0, 0),
            (1123, 0, 0),
            (1124, 0, 1024),
            (2000, 1024, 1024),
            (2148, 1024, 2048),
        ] {
            point.decide(snapshot, purged, 100);
            assert_eq!(point.index(), expected, "a snapshot up to {snapshot}");
        }
    }
}
