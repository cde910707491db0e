//! A table that is read all the time, changes rarely, and can be waited for.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// The newest table.
pub struct Announced<T> {
    current: ArcSwap<T>,
    changes: watch::Sender<Arc<T>>,
}

impl<T: Default> Announced<T> {
    /// The newest table: one atomic read.
    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Changes with the table; holds the newest one from the start.
    pub fn watch(&self) -> watch::Receiver<Arc<T>> {
        self.changes.subscribe()
    }

    pub(super) fn set(&self, table: T) {
        let table = Arc::new(table);
        self.current.store(Arc::clone(&table));
        self.changes.send_replace(table);
    }
}

impl<T: Default> Default for Announced<T> {
    fn default() -> Self {
        let empty = Arc::<T>::default();
        Self {
            current: ArcSwap::new(Arc::clone(&empty)),
            changes: watch::Sender::new(empty),
        }
    }
}
