//! Which shards changed, for those who watch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quorate_eventual::{SHARDS, ShardNumber};
use tokio::sync::Notify;

const WORDS: usize = SHARDS as usize / 64;

/// Shards in which something changed since somebody looked, a bit each. While nobody watches it costs a load.
#[derive(Default)]
pub struct Changes {
    watched: AtomicBool,
    changed: [AtomicU64; WORDS],
    told: Notify,
}

impl Changes {
    /// Whether somebody watches.
    pub fn set_watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Release);
    }

    /// Something changed in the shard. Called after it did.
    pub(super) fn note(&self, shard: ShardNumber) {
        if !self.watched.load(Ordering::Acquire) {
            return;
        }
        let bit = 1 << (shard.index() % 64);
        let word = &self.changed[shard.index() / 64];
        if word.load(Ordering::Acquire) & bit == 0 && word.fetch_or(bit, Ordering::AcqRel) & bit == 0 {
            self.told.notify_one();
        }
    }

    /// Waits until something changed since [`Changes::take`].
    pub async fn happened(&self) {
        self.told.notified().await;
    }

    /// The shards that changed since the last call.
    pub fn take(&self) -> Vec<ShardNumber> {
        let mut shards = Vec::new();
        for (place, word) in (0_u32..).zip(&self.changed) {
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                shards.extend(ShardNumber::new(place * 64 + bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
        shards
    }
}
