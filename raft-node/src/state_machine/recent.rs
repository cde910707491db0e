//! The newest records of the keys that were written last, in memory.
//!
//! Every put reads the record that it replaces, and of the keys that are written most are written again, and read, soon. A
//! look-up in the store's memtable costs some microseconds at every member, this one a hash. It serves the one who applies,
//! through [`Staged`](super::staged::Staged), and everybody who reads, through a [`Moment`](super::moment::Moment).
//!
//! Invariants
//! * What it has for a key is what was written last: it is told of every batch before the store is, and only of what the
//!   batch changes. So whoever has a view of the store finds here nothing older than the view has.
//! * What it has may be newer than a view: its revision says so.
//! * It is looked up and never walked, so what it still has and what it has dropped makes no difference to anybody.
//! * Bounded by bytes, whatever the keys are.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::mvcc::RecordRef;
use crate::types::Revision;

/// Bytes of keys and records that are kept, and of what keeps them.
const BYTES_MAX: u64 = 32 << 20;
/// What an entry costs beside its key and its record: both allocations and its place in the table, about.
const ENTRY_BYTES: u64 = 128;
/// A record that is larger goes to the store alone: there would be few of them, and each is expensive to copy.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// What the table is laid out for; it takes fewer and more.
const ENTRIES_EXPECTED: usize = 64 << 10;

type Records = Cache<Vec<u8>, Kept, Bytes, foldhash::fast::RandomState>;

/// Stored keys of the latest table, and what is stored there.
pub struct Recent(Records);

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its revision.
    pub revision: Revision,
    /// The record in its envelope.
    pub stored: Arc<[u8]>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Vec<u8>, Kept> for Bytes {
    fn weight(&self, key: &Vec<u8>, kept: &Kept) -> u64 {
        (key.len() + kept.stored.len()) as u64 + ENTRY_BYTES
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::with_bytes(BYTES_MAX)
    }
}

impl Recent {
    fn with_bytes(bytes_max: u64) -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        Self(Cache::with(ENTRIES_EXPECTED, bytes_max, Bytes, hasher, lifecycle))
    }

    /// What was written last for a key; none if that is not known here.
    pub fn get(&self, stored_key: &[u8]) -> Option<Kept> {
        self.0.get(stored_key)
    }

    /// The batch that is about to be written has this: a record, or a deletion.
    pub fn writes(&self, stored_key: &[u8], record: Option<&[u8]>) {
        let kept = record
            .filter(|record| record.len() <= RECORD_BYTES_MAX)
            // One that does not decode is left to whoever reads the store.
            .and_then(|stored| {
                RecordRef::parse(stored)
                    .ok()
                    .map(|record| (record.mod_revision, stored))
            });
        match kept {
            Some((revision, stored)) => {
                let stored = stored.into();
                self.0.insert(stored_key.to_vec(), Kept { revision, stored });
            }
            None => drop(self.0.remove(stored_key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::codec;
    use crate::mvcc::Record;

    fn stored(revision: u64, value_bytes: usize) -> Vec<u8> {
        let record = Record {
            create_revision: Revision(1),
            mod_revision: Revision(revision),
            version: 1,
            lease: None,
            expires_at: None,
            tags: Vec::new(),
            value: vec![7; value_bytes],
        };
        codec::encode(&record).unwrap()
    }

    #[test]
    fn it_has_what_was_written_last_and_nothing_that_was_deleted() {
        let recent = Recent::default();
        assert_eq!(recent.get(b"k"), None);
        recent.writes(b"k", Some(&stored(2, 1)));
        recent.writes(b"k", Some(&stored(3, 1)));
        let kept = recent.get(b"k").unwrap();
        assert_eq!((kept.revision, &*kept.stored), (Revision(3), &*stored(3, 1)));
        recent.writes(b"k", None);
        assert_eq!(recent.get(b"k"), None);
    }

    #[test]
    fn a_record_that_became_too_large_takes_the_one_before_along() {
        let recent = Recent::default();
        recent.writes(b"k", Some(&stored(2, 1)));
        recent.writes(b"k", Some(&stored(3, RECORD_BYTES_MAX)));
        assert_eq!(recent.get(b"k"), None);
    }

    proptest! {
        /// With room for some of the keys only, so that they come and go.
        #[test]
        fn it_never_has_anything_but_the_newest(
            writes in prop::collection::vec((0_u16..400, prop::option::of(0_usize..200)), 0..2000),
        ) {
            const ROOM: u64 = 64 << 10;
            let recent = Recent::with_bytes(ROOM);
            let mut newest = BTreeMap::new();
            for (revision, (key, length)) in (2..).zip(writes) {
                let record = length.map(|length| stored(revision, length));
                recent.writes(&key.to_be_bytes(), record.as_deref());
                newest.insert(key, (revision, record));
                prop_assert!(recent.0.weight() <= ROOM);
            }
            for (key, (revision, record)) in newest {
                if let Some(kept) = recent.get(&key.to_be_bytes()) {
                    prop_assert_eq!((kept.revision, Some(&*kept.stored)), (Revision(revision), record.as_deref()));
                }
            }
        }
    }
}
