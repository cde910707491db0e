//! What those who wait are told.

use super::LeaseId;

/// Something that somebody may be waiting for has happened in the replicated state. Signals are told to the member's
/// own waiters after the change can be read; they are neither stored nor replicated, and one that nobody waits for is
/// dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A lease lives from now on.
    LeaseGranted {
        /// Which.
        lease: LeaseId,
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// A lease was revoked or has expired.
    LeaseEnded {
        /// Which.
        lease: LeaseId,
    },
    /// An acquisition that waited holds all its locks now, or was given up.
    Acquisition {
        /// Whose.
        lease: LeaseId,
        /// Which of the lease's.
        request: u64,
    },
    /// A lock has other holders.
    Holders {
        /// Its name.
        lock: String,
    },
    /// Items of a queue can be claimed.
    Ready {
        /// Its name.
        queue: String,
        /// How many more.
        items: u32,
    },
    /// A worker has other assignments.
    Assignments {
        /// Its name.
        worker: String,
    },
}
