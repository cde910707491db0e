//! All shards of a member.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::actor::{ActorId, ActorIndex, Actors};
use crate::counts::{AllCounts, Counts};
use crate::shard::{SHARDS, Shard, ShardLimits, ShardNumber};

const WORDS: usize = SHARDS as usize / 64;

/// Keeps the locks of two shards out of one cache line.
#[repr(align(128))]
struct Slot(Mutex<Shard>);

/// All shards of a member, each behind a lock of its own, and what they share.
pub struct Store {
    id: ActorId,
    me: ActorIndex,
    actors: Arc<Actors>,
    counts: Arc<AllCounts>,
    shards: Box<[Slot]>,
    /// Shards with operations of this process that were not handed to peers yet, a bit each.
    unpushed: [AtomicU64; WORDS],
    predecessors: RwLock<Arc<[ActorIndex]>>,
}

impl Store {
    /// Empty shards of the process `id`, which must never have been used before: draw it at the start of the process.
    pub fn new(id: ActorId, limits: ShardLimits) -> Self {
        let actors = Arc::new(Actors::default());
        let counts = Arc::new(AllCounts::default());
        // The first place is always free.
        let me = actors.index(id).unwrap_or(ActorIndex(0));
        let shards = ShardNumber::all()
            .map(|_| {
                Slot(Mutex::new(Shard::new(
                    me,
                    Arc::clone(&actors),
                    Counts::new(Arc::clone(&counts)),
                    limits,
                )))
            })
            .collect();
        Store {
            id,
            me,
            actors,
            counts,
            shards,
            unpushed: std::array::from_fn(|_| AtomicU64::new(0)),
            predecessors: RwLock::new(Arc::from([])),
        }
    }

    /// This process.
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// This process's place.
    pub fn me(&self) -> ActorIndex {
        self.me
    }

    /// Every process that was heard of.
    pub fn actors(&self) -> &Arc<Actors> {
        &self.actors
    }

    /// What each domain holds.
    pub fn counts(&self) -> &AllCounts {
        &self.counts
    }

    /// A shard. Whoever writes to it tells [`Store::wrote`] before anybody is told of the write.
    pub fn lock(&self, shard: ShardNumber) -> MutexGuard<'_, Shard> {
        self.shards[shard.index()].0.lock()
    }

    /// The shard has an operation of this process that peers lack. True if nobody had told so since it was last taken.
    pub fn wrote(&self, shard: ShardNumber) -> bool {
        let bit = 1 << (shard.index() % 64);
        let word = &self.unpushed[shard.index() / 64];
        // Most writes find it set: then nothing is written to what all threads share.
        word.load(Ordering::Acquire) & bit == 0 && word.fetch_or(bit, Ordering::AcqRel) & bit == 0
    }

    /// The shards that were told of since the last call.
    pub fn take_unpushed(&self) -> Vec<ShardNumber> {
        let mut shards = Vec::new();
        for (place, word) in (0_u32..).zip(&self.unpushed) {
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                shards.extend(ShardNumber::new(place * 64 + bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
        shards
    }

    /// Every earlier process of the same member: see [`Moment::predecessors`](crate::Moment::predecessors).
    pub fn predecessors(&self) -> Arc<[ActorIndex]> {
        Arc::clone(&self.predecessors.read())
    }

    /// See [`Store::predecessors`].
    pub fn set_predecessors(&self, predecessors: Vec<ActorIndex>) {
        *self.predecessors.write() = predecessors.into();
    }

    /// Operations that are remembered, and bytes of values that are kept only for peers, over all shards.
    pub fn kept_for_peers(&self) -> (u64, u64) {
        ShardNumber::all().fold((0, 0), |(ops, bytes), number| {
            let shard = self.lock(number);
            (ops + shard.log_len() as u64, bytes + shard.orphan_bytes() as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_was_written_is_taken_once() {
        let store = Store::new(ActorId(1), ShardLimits::default());
        let shards: Vec<_> = [0, 63, 64, 511].into_iter().filter_map(ShardNumber::new).collect();
        for shard in &shards {
            assert!(store.wrote(*shard));
            assert!(!store.wrote(*shard));
        }
        assert_eq!(store.take_unpushed(), shards);
        assert_eq!(store.take_unpushed(), []);
    }
}
