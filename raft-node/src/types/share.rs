//! What of a lock a hold has.

use bincode::{Decode, Encode};

use super::LockKind;

/// How much of a lock is taken.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Share {
    /// All of a mutex.
    Exclusive,
    /// One of any number of shares of a mutex.
    Shared,
    /// Permits of a semaphore.
    Permits {
        /// How many are taken, from 1 to `permits`.
        count: u32,
        /// How many the semaphore has.
        permits: u32,
    },
}

impl Share {
    /// The kind of lock that can be taken so.
    pub fn kind(self) -> LockKind {
        match self {
            Share::Exclusive | Share::Shared => LockKind::Mutex,
            Share::Permits { permits, .. } => LockKind::Semaphore { permits },
        }
    }

    /// How many parts it takes; never more than there are, so that it fits once nobody else holds any.
    pub fn count(self) -> u64 {
        match self {
            Share::Exclusive | Share::Shared => 1,
            Share::Permits { count, permits } => u64::from(count.min(permits)),
        }
    }
}
