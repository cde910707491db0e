//! Values that are on this member's disk alone: of domains with `evict=memory`, where memory is short.
//!
//! ```text
//! chill.rs    values leave the memory, those first that the policy of their domain gives up
//! fetch.rs    values come from the disk for whoever needs them, without the lock of their shard
//! read.rs     what a key holds, with every value
//! ```
//!
//! Invariants
//! * No other member knows of it, and clients see it by how long an answer takes, at most.
//! * Nobody waits for the disk with a shard locked, but for who has tried without in vain.
//! * A value that is on the disk alone and cannot be read there is never answered for, neither as absent nor as an older one:
//!   the member stops, finds the damage when it starts again, and gets the shard from a peer.

mod chill;
mod fetch;
mod read;

#[cfg(test)]
mod tests;

pub use fetch::LostValue;
pub(super) use fetch::UNLOCKED_TRIES;
