//! Whether another group is about to follow the one under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the commands that are in no group yet. Copies are of the same count.
///
/// It is a hint for what may as well wait for the next group: nothing depends on its being exact at any moment.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// One more waits.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many wait no longer.
    pub(super) fn remove(&self, commands: usize) {
        self.0.fetch_sub(commands, Ordering::Relaxed);
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
