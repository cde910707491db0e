//! How many of something are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is open: one more with each [`Open::one`], one less when that is dropped.
#[derive(Clone, Debug, Default)]
pub struct Open(Arc<AtomicU64>);

/// One that is open.
#[derive(Debug)]
pub struct OpenOne(Arc<AtomicU64>);

impl Open {
    /// One more.
    pub fn one(&self) -> OpenOne {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenOne(Arc::clone(&self.0))
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for OpenOne {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
