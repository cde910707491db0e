//! Values that are on this member's disk alone.
//!
//! Where memory is short, values of a durable domain leave it: the entry stays, with its operation, its moment and its end, and
//! what it says of causes is all there. No operation tells of it, and no other member knows. Whoever needs such a value brings
//! it from the disk, in whose row it stands under the dot of its operation.
//!
//! Invariants
//! * A value leaves the memory only against the row that was read from the disk and has the very value. So nothing is cold
//!   that was not flushed, whatever happened to flushes.
//! * The row of an entry keeps a cold value until an operation supersedes it: who writes the row anew brings it first.
//! * Cold values never take part in anything as if they were empty or absent: what needs them is refused until they are here.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::Shard;
use crate::dot::Dot;
use crate::entry::{Entry, Sibling, Value};
use crate::key::{Key, Place};
use crate::kind::Space;
use crate::policy::{SAMPLE_SIZE, Sampled};
use crate::row::StoredEntry;

/// A value that is on the disk alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cold {
    /// In the row of this key.
    pub key: Key,
    /// Under the operation that wrote it.
    pub dot: Dot,
}

impl Cold {
    pub(crate) fn of(key: &Key, dot: Dot) -> Self {
        Cold { key: key.clone(), dot }
    }
}

/// Values that were brought from the disk, by the operations that wrote them.
#[derive(Clone, Debug, Default)]
pub struct Fetched(HashMap<Dot, Value>);

impl Fetched {
    /// The value of this operation is here now. False if the row does not have it: it was superseded, and that was flushed.
    pub fn take(&mut self, stored: &StoredEntry, dot: Dot) -> bool {
        let value = stored.value(dot).cloned();
        value.map(|value| self.0.insert(dot, value)).is_some()
    }

    /// The value of an operation.
    pub fn get(&self, dot: Dot) -> Option<&Value> {
        self.0.get(&dot)
    }

    /// What a sibling says, wherever it is; none if it is on the disk alone and was not brought.
    pub(crate) fn value_of<'a>(&'a self, sibling: &'a Sibling) -> Option<&'a Value> {
        if sibling.value.is_cold() {
            self.get(sibling.dot)
        } else {
            Some(&sibling.value)
        }
    }

    /// A value that some disk has.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, dot: Dot, value: Value) {
        self.0.insert(dot, value);
    }

    pub(super) fn fill<'s>(&self, siblings: impl Iterator<Item = &'s mut Sibling>) {
        for sibling in siblings.filter(|sibling| sibling.value.is_cold()) {
            if let Some(value) = self.get(sibling.dot) {
                sibling.value = value.clone();
            }
        }
    }
}

impl Shard {
    /// Some value is on the disk alone.
    pub fn has_cold(&self) -> bool {
        !self.cold.is_empty()
    }

    /// How long a value is that is on the disk alone, in bytes; 0 if it is not there any more.
    pub fn cold_bytes(&self, cold: &Cold) -> u32 {
        self.cold.get(&cold.dot).copied().unwrap_or(0)
    }

    /// Keys of the domain whose values its policy lets go first, at most `max`, each chosen of a few that are drawn. Read their
    /// rows, and call [`Shard::chill`] with them.
    pub fn victims(&mut self, domain: u32, max: usize) -> Vec<Key> {
        let mut victims: Vec<Key> = Vec::new();
        for _ in 0..max {
            let sample = self.sample_where(domain, |shard, entry| {
                entry.siblings().any(|sibling| shard.may_be_cold(entry, sibling))
            });
            let sampled: SmallVec<[Sampled; SAMPLE_SIZE]> = sample.iter().map(|slot| self.sampled(*slot)).collect();
            let now = self.uses.now;
            let victim = match self.uses.of(domain) {
                Some(eviction) => eviction.victim(&sampled, now),
                // A domain that was created a moment ago may be full before this shard hears of its policy.
                None => (!sampled.is_empty()).then_some(0),
            };
            let Some(slot) = victim.map(|place| sample[place]) else {
                break;
            };
            let key = &self.entries[slot].key;
            if !victims.contains(key) {
                victims.push(key.clone());
            }
        }
        victims
    }

    /// Lets the values of an entry go that are on the disk as well, as this row of it says. Returns how many bytes went.
    pub fn chill(&mut self, stored: &StoredEntry) -> u64 {
        self.chill_key(&stored.key, |sibling| stored.value(sibling.dot) == Some(&sibling.value))
    }

    pub(super) fn chill_key(&mut self, key: &Key, is_on_disk: impl Fn(&Sibling) -> bool) -> u64 {
        let Some(slot) = self.find(key.hash(), key.bytes()) else {
            return 0;
        };
        let entry = &self.entries[slot as usize];
        let going: SmallVec<[Dot; 2]> = entry
            .siblings()
            .filter(|sibling| self.may_be_cold(entry, sibling) && is_on_disk(sibling))
            .map(|sibling| sibling.dot)
            .collect();
        let before = entry.bytes();
        let entry = &mut self.entries[slot as usize];
        for sibling in entry.siblings_mut().filter(|sibling| going.contains(&sibling.dot)) {
            let bytes = sibling.bytes();
            sibling.value = Value::COLD;
            self.cold.insert(sibling.dot, u32::try_from(bytes).unwrap_or(u32::MAX));
            self.counts.cold(key.domain(), 1, bytes as i64);
        }
        let after = entry.bytes();
        self.counts.resize(key.domain(), before, after);
        before - after
    }

    /// The values of a key that were brought from the disk stay in memory, as far as they stand there yet.
    pub fn warm(&mut self, place: &Place, fetched: &Fetched) {
        let Some(slot) = self.find(place.hash, place.bytes()) else {
            return;
        };
        let entry = &mut self.entries[slot as usize];
        let domain = entry.key.domain();
        let before = entry.bytes();
        for sibling in entry.siblings_mut().filter(|sibling| sibling.value.is_cold()) {
            let Some(value) = fetched.get(sibling.dot) else {
                continue;
            };
            sibling.value = value.clone();
            if let Some(bytes) = self.cold.remove(&sibling.dot) {
                self.counts.cold(domain, -1, -i64::from(bytes));
            }
        }
        let after = entry.bytes();
        self.counts.resize(domain, before, after);
    }

    /// The values of a key that are on the disk alone.
    pub fn cold_of(&self, place: &Place) -> Vec<Cold> {
        let slot = self.find(place.hash, place.bytes());
        let Some(entry) = slot.map(|slot| &self.entries[slot as usize]) else {
            return Vec::new();
        };
        let cold = entry.siblings().filter(|sibling| sibling.value.is_cold());
        cold.map(|sibling| Cold::of(&entry.key, sibling.dot)).collect()
    }

    /// The value is still on the disk alone.
    pub fn is_cold(&self, cold: &Cold) -> bool {
        let entry = self.entry_of(&cold.key);
        entry
            .and_then(|entry| entry.get(cold.dot))
            .is_some_and(|sibling| sibling.value.is_cold())
    }

    /// A sibling went. If its value was on the disk alone, it is not any more.
    pub(super) fn forget_cold(&mut self, domain: u32, sibling: &Sibling) {
        if sibling.value.is_cold()
            && let Some(bytes) = self.cold.remove(&sibling.dot)
        {
            self.counts.cold(domain, -1, -i64::from(bytes));
        }
    }

    /// A state has it, wherever its value is.
    pub(crate) fn is_sent(&self, sibling: &Sibling) -> bool {
        self.rules.send_cold() || !sibling.value.is_cold()
    }

    /// The shares of a counter are added to all the time.
    fn may_be_cold(&self, entry: &Entry, sibling: &Sibling) -> bool {
        let long = sibling
            .value
            .in_memory()
            .is_some_and(|bytes| bytes.len() >= self.limits.cold_bytes_min);
        long && entry.key.address().space != Space::Counter
    }
}
