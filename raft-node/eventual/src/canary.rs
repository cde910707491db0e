//! Known bugs that a build for tests can be given; see `canary.rs` of the member's crate.
//!
//! A build without the feature `canaries` has none: `is` is a constant.

/// A known bug of the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Canary {
    /// A value that arrives takes the place of one that was written concurrently.
    SiblingLostOnMerge = 1,
    /// An entry leaves one member's memory without an operation.
    SilentLocalEviction = 2,
}

/// Whether this process has the bug.
#[cfg(not(feature = "canaries"))]
#[inline(always)]
pub(crate) const fn is(_: Canary) -> bool {
    false
}

#[cfg(feature = "canaries")]
static CHOSEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Whether this process has the bug.
#[cfg(feature = "canaries")]
pub(crate) fn is(canary: Canary) -> bool {
    CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == canary as u8
}

/// From now on this process has the bug.
#[cfg(feature = "canaries")]
pub fn choose(canary: Canary) {
    CHOSEN.store(canary as u8, std::sync::atomic::Ordering::Relaxed);
}
