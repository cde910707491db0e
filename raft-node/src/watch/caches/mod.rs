//! Caches: watches of single keys, which come and go while the watch goes on.
//!
//! ```text
//! CacheKeys -> change.rs: into the index, then compared with the state -> CacheKeysChanged, behind every event before it
//! Watch.Invalidate -> invalidate.rs: CacheInvalidate to all -> CacheInvalidated, counted for who waits
//! ```
//!
//! A cache never reads up on history, so it is live or it is not there: where its events are not at hand it ends with
//! LAGGED, and its client asks for another and names its keys again.
//!
//! Invariants
//! * A key is in the index before it is looked up: a write is either in what was looked up, or its event comes.
//! * What is kept of all caches counts as what selectors name does, and is bounded with it.

mod among;
mod change;
mod invalidate;
mod keys;

#[cfg(test)]
pub(super) use change::KEYS_PER_CACHE_MAX;
pub use change::{KeyChange, KnownKey};
pub use invalidate::Invalidation;
pub(super) use invalidate::Invalidations;
pub(super) use keys::KeySet;
