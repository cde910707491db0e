//! The highest revision that a client has seen.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;

/// The highest revision seen, within the newest epoch of the store.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    epoch: AtomicU64,
    revision: AtomicU64,
    changing: Mutex<()>,
    /// Raised before and after an epoch begins: odd while both numbers change.
    turn: AtomicU64,
}

impl Seen {
    pub(crate) fn observe(&self, epoch: u64, revision: u64) {
        let known = |seen: &Self| {
            seen.epoch.load(Ordering::Acquire) == epoch && seen.revision.load(Ordering::Relaxed) >= revision
        };
        if known(self) {
            return;
        }
        let _changing = self.changing.lock();
        if epoch > self.epoch.load(Ordering::Relaxed) {
            // The store was restored: its revisions start over, and so does the session.
            self.turn.fetch_add(1, Ordering::AcqRel);
            self.revision.store(revision, Ordering::Release);
            self.epoch.store(epoch, Ordering::Release);
            self.turn.fetch_add(1, Ordering::AcqRel);
        } else if epoch == self.epoch.load(Ordering::Relaxed) {
            self.revision.fetch_max(revision, Ordering::AcqRel);
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    pub(crate) fn point(&self) -> (u64, u64) {
        let _changing = self.changing.lock();
        (
            self.epoch.load(Ordering::Relaxed),
            self.revision.load(Ordering::Relaxed),
        )
    }

    /// The same without waiting for anybody; none while an epoch begins.
    pub(crate) fn point_at_once(&self) -> Option<(u64, u64)> {
        let turn = self.turn.load(Ordering::Acquire);
        let epoch = self.epoch.load(Ordering::Acquire);
        let revision = self.revision.load(Ordering::Acquire);
        fence(Ordering::Acquire);
        (turn.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == turn).then_some((epoch, revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_seen_grows_within_an_epoch_and_starts_over_in_the_next() {
        let seen = Seen::default();
        seen.observe(0, 9);
        seen.observe(0, 4);
        assert_eq!(seen.revision(), 9);
        seen.observe(1, 3);
        assert_eq!(seen.revision(), 3);
        seen.observe(0, 50);
        assert_eq!((seen.revision(), seen.point_at_once()), (3, Some((1, 3))));
    }
}
