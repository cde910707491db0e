//! What a queue promises, and the limits of all queues.

use bincode::{Decode, Encode};

/// Bytes of a queue's name.
pub const NAME_BYTES_MAX: usize = 1024;
/// Queues in a store.
pub const QUEUES_MAX: u64 = 65_536;
/// Bytes of a group's name, of a dedupe key, and of a worker's name.
pub const TEXT_BYTES_MAX: usize = 256;
/// Bytes of the reason of a nack.
pub const REASON_BYTES_MAX: usize = 1024;
/// Bytes of a checkpoint.
pub const CHECKPOINT_BYTES_MAX: usize = 65_536;
/// Items that one operation enqueues or claims.
pub const BATCH_MAX: u32 = 128;
/// Items that one operation redrives or purges.
pub const SWEEP_MAX: u32 = 1000;
/// Items that one operation makes a queue what is wanted of it with.
pub const SYNC_MAX: u32 = 10_000;
/// The shortest visibility, in milliseconds.
pub const VISIBILITY_MS_MIN: u64 = 100;
/// The longest visibility, in milliseconds: a week.
pub const VISIBILITY_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// The longest delay, in milliseconds: a year.
pub const DELAY_MS_MAX: u64 = 366 * 24 * 3600 * 1000;
/// The longest window in which a dedupe key is remembered, in milliseconds: a week.
pub const DEDUPE_WINDOW_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// Dedupe keys that one queue remembers.
pub const DEDUPE_KEYS_MAX: u64 = 1_000_000;
/// The most claims that an item may be allowed.
pub const ATTEMPTS_MAX: u32 = 10_000;
/// The deepest that a queue may be allowed to be.
pub const DEPTH_MAX: u64 = 100_000_000;

/// What a queue promises. It can be changed at any time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueueConfig {
    /// How long a claim lasts where it does not say, in milliseconds.
    pub visibility_ms: u64,
    /// An item that comes back after so many claims goes to the dead letters.
    pub attempts_max: u32,
    /// Items the queue may hold, in whatever state.
    pub depth_max: u64,
    /// Items that may be claimed at a time; 0: no limit.
    pub claimed_max: u64,
    /// Items of one group that may be claimed at a time; 0: no limit. A raised limit reaches a group that is held back by
    /// the old one when one of its claims ends.
    pub group_claimed_max: u64,
    /// How long a dedupe key is remembered, in milliseconds.
    pub dedupe_window_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            visibility_ms: 30_000,
            attempts_max: 5,
            depth_max: 1_000_000,
            claimed_max: 0,
            group_claimed_max: 0,
            dedupe_window_ms: 300_000,
        }
    }
}
