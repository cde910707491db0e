//! A count that only grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something happened since the process began.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// It happened.
    pub fn increment(&self) {
        self.add(1);
    }

    /// It happened so often.
    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often it happened.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
