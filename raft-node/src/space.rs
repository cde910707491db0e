//! Free space on the disk of the data directory, and whether writes that grow the store are refused.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of the disks. Written by the background task that looks, read on the path of every write.
#[derive(Debug, Default)]
pub struct Space {
    free_bytes: AtomicU64,
    low: AtomicBool,
    refuses_growth: AtomicBool,
}

impl Space {
    /// Free bytes when last looked at.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Less is free than this member's reserve.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Sets what was found here.
    pub fn set_free_bytes(&self, bytes: u64, reserve_bytes: u64) {
        self.free_bytes.store(bytes, Ordering::Relaxed);
        self.low.store(bytes < reserve_bytes, Ordering::Relaxed);
    }

    /// True while too many voters have less than their reserve.
    pub fn refuses_growth(&self) -> bool {
        self.refuses_growth.load(Ordering::Relaxed)
    }

    /// True if this changed something.
    pub fn set_refuses_growth(&self, refuses: bool) -> bool {
        self.refuses_growth.swap(refuses, Ordering::Relaxed) != refuses
    }
}

/// Bytes that are free for this process on the file system of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
