//! Where look-ups find entries: nothing but a hash, a read lock of a part of the table, and a pointer. What may stay is decided
//! elsewhere ([`store`](super::store)).

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use parking_lot::RwLock;

use super::entry::Entry;
use super::key::{CacheKey, KeyRef};
use super::store::Hashing;

/// A power of two.
const PARTS: usize = 16;
const PARTS_AT_BIT: u32 = 40;

type Part = HashTable<(CacheKey, Arc<Entry>)>;

pub(super) struct Index {
    hashing: Hashing,
    parts: [RwLock<Part>; PARTS],
}

impl Index {
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            hashing,
            parts: std::array::from_fn(|_| RwLock::default()),
        }
    }

    #[inline]
    fn part(&self, hash: u64) -> &RwLock<Part> {
        &self.parts[(hash >> PARTS_AT_BIT) as usize % PARTS]
    }

    #[inline]
    pub(super) fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Entry>> {
        let hash = self.hashing.hash_one(key);
        let part = self.part(hash).read();
        let found = part.find(hash, |(held, _)| held.borrowed() == *key);
        found.map(|(_, entry)| Arc::clone(entry))
    }

    pub(super) fn insert(&self, key: CacheKey, entry: Arc<Entry>) {
        let hash = self.hashing.hash_one(&key);
        let mut part = self.part(hash).write();
        let hasher = |(held, _): &(CacheKey, Arc<Entry>)| self.hashing.hash_one(held);
        match part.entry(hash, |(held, _)| *held == key, hasher) {
            Slot::Occupied(mut slot) => slot.get_mut().1 = entry,
            Slot::Vacant(slot) => {
                slot.insert((key, entry));
            }
        }
    }

    /// What was there. `which`: only this entry.
    pub(super) fn remove(&self, key: &CacheKey, which: Option<&Arc<Entry>>) -> Option<Arc<Entry>> {
        let hash = self.hashing.hash_one(key);
        let mut part = self.part(hash).write();
        let is_meant =
            |(held, entry): &(CacheKey, Arc<Entry>)| held == key && which.is_none_or(|which| Arc::ptr_eq(entry, which));
        let slot = part.find_entry(hash, is_meant).ok()?;
        let ((_, entry), _) = slot.remove();
        Some(entry)
    }

    /// Everything that is held, a part at a time.
    pub(super) fn entries(&self) -> impl Iterator<Item = (CacheKey, Arc<Entry>)> {
        self.parts
            .iter()
            .flat_map(|part| part.read().iter().cloned().collect::<Vec<_>>())
    }
}
