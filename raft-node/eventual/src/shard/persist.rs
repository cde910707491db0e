//! What goes to the disk, and what comes from it.

use smallvec::SmallVec;

use super::{Cold, Fetched, Shard};
use crate::clock::Clock;
use crate::dot::Dot;
use crate::entry::{Entry, Sibling};
use crate::hlc::Hlc;
use crate::key::Key;
use crate::row::{StoredShard, Unreadable};
use crate::wire::Damaged;

/// The values of a key, out of their entry.
pub type Siblings = SmallVec<[Sibling; 1]>;

/// Keys that changed are kept, some twice, up to this many before the doubles go.
const UNFLUSHED_KEYS_MIN: usize = 4_096;

/// Keys that changed since they were last written to disk.
#[derive(Debug)]
pub(super) struct Changed {
    keys: Vec<Key>,
    /// With more than so many, doubles go.
    keys_max: usize,
    /// Of keys and values, approximately.
    bytes: usize,
    /// Something changed: an entry, or only the clock.
    any: bool,
}

impl Changed {
    fn new() -> Self {
        Changed {
            keys: Vec::new(),
            keys_max: UNFLUSHED_KEYS_MIN,
            bytes: 0,
            any: false,
        }
    }

    pub(super) fn push(&mut self, key: &Key) {
        self.any = true;
        self.bytes += key.bytes().len();
        self.keys.push(key.clone());
        if self.keys.len() >= self.keys_max {
            self.drop_doubles();
            // However long the disk takes, no more is kept than twice the keys there are.
            self.keys_max = (2 * self.keys.len()).max(UNFLUSHED_KEYS_MIN);
        }
    }

    fn drop_doubles(&mut self) {
        self.keys.sort_unstable_by(|one, other| one.bytes().cmp(other.bytes()));
        self.keys.dedup();
    }
}

/// What changed in a shard since it was last asked, and what it has: all of one moment, so that a clock never stands beside
/// data that is older.
#[derive(Clone, Debug)]
pub struct Unflushed {
    pub(crate) clock: Clock,
    pub(crate) pending: Vec<Dot>,
    pub(crate) last_hlc: Hlc,
    pub(crate) entries: u64,
    pub(crate) digest: u64,
    /// Each key once, in the order of bytes, with what it has; with nothing if it is gone.
    pub(crate) changed: Vec<(Key, Siblings)>,
}

impl Unflushed {
    /// Values that a row needs though they did not change, since they stand beside something that did, and that are on the
    /// disk alone.
    pub fn cold(&self) -> Vec<Cold> {
        let cold = |(key, siblings): &(Key, Siblings)| {
            let dots = siblings.iter().filter(|sibling| sibling.value.is_cold());
            dots.map(|sibling| Cold::of(key, sibling.dot)).collect::<Vec<_>>()
        };
        self.changed.iter().flat_map(cold).collect()
    }

    /// Puts these values in their places.
    pub fn fill(&mut self, fetched: &Fetched) {
        for (_, siblings) in &mut self.changed {
            fetched.fill(siblings.iter_mut());
        }
    }
}

impl Shard {
    /// From now on, keys that change are kept until [`Shard::take_unflushed`].
    pub fn track_unflushed(&mut self) {
        self.unflushed.get_or_insert_with(Changed::new);
    }

    /// From now on the same, and all that is here now has changed as well.
    pub fn all_is_unflushed(&mut self) {
        let mut changed = Changed::new();
        changed.any = true;
        changed.keys = self.entries().map(|entry| entry.key.clone()).collect();
        changed.keys_max = (2 * changed.keys.len()).max(UNFLUSHED_KEYS_MIN);
        self.unflushed = Some(changed);
    }

    /// What changed since the last call, if anything did. It costs the lock only the copying of pointers.
    pub fn take_unflushed(&mut self) -> Option<Unflushed> {
        let changed = self.unflushed.as_mut().filter(|changed| changed.any)?;
        let mut taken = std::mem::replace(changed, Changed::new());
        taken.drop_doubles();
        let siblings = |key: &Key| {
            self.entry_of(key)
                .into_iter()
                .flat_map(Entry::siblings)
                .cloned()
                .collect()
        };
        let changed = taken.keys.into_iter().map(|key| {
            let siblings = siblings(&key);
            (key, siblings)
        });
        Some(Unflushed {
            changed: changed.collect(),
            clock: self.clock.clone(),
            pending: self.pending.iter().copied().collect(),
            last_hlc: self.last_hlc,
            entries: self.entries.len() as u64,
            digest: self.digest,
        })
    }

    /// The clock changed, and perhaps nothing else.
    pub(super) fn clock_is_unflushed(&mut self) {
        if let Some(changed) = &mut self.unflushed {
            changed.any = true;
        }
    }

    /// A value was written that is not on disk.
    pub(super) fn count_unflushed(&mut self, sibling: &Sibling) {
        if let Some(changed) = &mut self.unflushed {
            changed.bytes += sibling.bytes() as usize;
        }
    }

    /// Bytes of what changed since [`Shard::take_unflushed`], approximately.
    pub fn unflushed_bytes(&self) -> usize {
        self.unflushed.as_ref().map_or(0, |changed| changed.bytes)
    }

    /// Takes over what was on disk. The shard must be as it was made: nothing written, nothing applied. Values of `cold_domains`
    /// stay on the disk.
    pub fn restore(&mut self, stored: StoredShard, cold_domains: &[u32]) -> Result<(), Unreadable> {
        if stored.clock.get(self.me) > 0 || stored.clock.is_retired(self.me) {
            return Err(Unreadable::UsedActor);
        }
        let digest = stored.entries.iter().fold(0, |digest, (key, siblings)| {
            siblings.iter().fold(digest, |digest, sibling| {
                digest ^ self.sibling_digest(key.hash(), sibling)
            })
        });
        if digest != stored.digest {
            return Err(Damaged("the entries of a shard are not those that its head was written with").into());
        }
        self.clock = stored.clock;
        self.pending = stored.pending.into_iter().collect();
        self.last_hlc = stored.last_hlc;
        self.entries.reserve(stored.entries.len());
        let entries = &self.entries;
        self.index
            .reserve(stored.entries.len(), |slot| entries[*slot as usize].key.hash());
        for (key, siblings) in stored.entries {
            for sibling in siblings {
                self.insert(&key, sibling);
            }
            if cold_domains.contains(&key.domain()) {
                self.chill_key(&key, |_| true);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Place, Space};

    fn key(number: u32) -> Key {
        Key::keep(&Place::of(Address {
            domain: 1,
            space: Space::Register,
            name: &number.to_be_bytes(),
            element: None,
        }))
    }

    #[test]
    fn a_disk_that_takes_long_does_not_make_the_list_of_changes_long() {
        let mut changed = Changed::new();
        for number in 0..100_000 {
            changed.push(&key(number % 10));
            assert!(changed.keys.len() < UNFLUSHED_KEYS_MIN);
        }
        for number in 0..100_000 {
            changed.push(&key(number % 20_000));
        }
        assert!(changed.keys.len() <= 40_000, "{}", changed.keys.len());
        changed.drop_doubles();
        assert_eq!(changed.keys.len(), 20_000);
    }
}
