//! What is known of the certificates of a member.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Count;

/// Certificates of one side of a member.
#[derive(Debug, Default)]
pub struct TlsCounts {
    /// Seconds since 1970; 0: there is none.
    expiry: AtomicU64,
    /// Times that they were read again.
    pub reloaded: Count,
    /// Times that they could not be read again, and those before stayed in use.
    pub reload_failed: Count,
}

impl TlsCounts {
    /// The certificate that ends first is over at this time, in seconds since 1970.
    pub fn set_expiry(&self, unix_seconds: u64) {
        self.expiry.store(unix_seconds, Ordering::Relaxed);
    }

    /// See [`TlsCounts::set_expiry`]; none without certificates.
    pub fn expiry(&self) -> Option<u64> {
        Some(self.expiry.load(Ordering::Relaxed)).filter(|expiry| *expiry != 0)
    }
}

/// Certificates of both sides.
#[derive(Debug, Default)]
pub struct BothTlsCounts {
    /// Towards clients.
    pub client: TlsCounts,
    /// Towards other members.
    pub peer: TlsCounts,
}
