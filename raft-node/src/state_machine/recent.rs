//! The newest records of the keys that were written last, in memory.
//!
//! Every put reads the record that it replaces, and of the keys that are written most are written again soon. A look-up
//! in the store's memtable costs some microseconds at every member, this one a hash.
//!
//! Invariants
//! * What it has for a key is what the store has: it is told of every batch, and only of what the batch changes.
//! * It is looked up and never walked, so what it still has and what it has dropped makes no difference to anybody.
//! * Bounded by bytes, whatever the keys are.

use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

/// Bytes of keys and records that are kept, and of what keeps them.
const BYTES_MAX: u64 = 32 << 20;
/// What an entry costs beside its key and its record: both allocations and its place in the table, about.
const ENTRY_BYTES: u64 = 96;
/// A record that is larger goes to the store alone: there would be few of them, and each is expensive to copy.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// What the table is laid out for; it takes fewer and more.
const ENTRIES_EXPECTED: usize = 64 << 10;

type Records = Cache<Vec<u8>, Vec<u8>, Bytes, foldhash::fast::RandomState>;

/// Stored keys of the latest table, and what is stored there. The default one keeps nothing.
#[derive(Default)]
pub struct Recent(Option<Records>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Vec<u8>, Vec<u8>> for Bytes {
    fn weight(&self, key: &Vec<u8>, record: &Vec<u8>) -> u64 {
        (key.len() + record.len()) as u64 + ENTRY_BYTES
    }
}

impl Recent {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::with_bytes(BYTES_MAX)
    }

    fn with_bytes(bytes_max: u64) -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        Self(Some(Cache::with(ENTRIES_EXPECTED, bytes_max, Bytes, hasher, lifecycle)))
    }

    /// What the store has for a key; none if it is not known here.
    pub fn get(&self, stored_key: &[u8]) -> Option<&Vec<u8>> {
        self.0.as_ref()?.get(stored_key)
    }

    /// The batch that is about to be written has this: a record, or a deletion.
    pub fn wrote(&mut self, stored_key: &[u8], record: Option<&Vec<u8>>) {
        let Some(records) = &mut self.0 else { return };
        match record {
            Some(record) if record.len() <= RECORD_BYTES_MAX => {
                records.insert(stored_key.to_vec(), record.clone());
            }
            Some(_) | None => {
                records.remove(stored_key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_has_what_was_written_last_and_nothing_that_was_deleted() {
        let mut recent = Recent::new();
        assert_eq!(recent.get(b"k"), None);
        recent.wrote(b"k", Some(&b"1".to_vec()));
        recent.wrote(b"k", Some(&b"2".to_vec()));
        assert_eq!(recent.get(b"k"), Some(&b"2".to_vec()));
        recent.wrote(b"k", None);
        assert_eq!(recent.get(b"k"), None);
    }

    #[test]
    fn a_record_that_became_too_large_takes_the_one_before_along() {
        let mut recent = Recent::new();
        recent.wrote(b"k", Some(&b"1".to_vec()));
        recent.wrote(b"k", Some(&vec![0; RECORD_BYTES_MAX + 1]));
        assert_eq!(recent.get(b"k"), None);
    }

    proptest! {
        /// With room for some of the keys only, so that they come and go.
        #[test]
        fn it_never_has_anything_but_the_newest(
            writes in prop::collection::vec((0_u8..40, prop::option::of(0_usize..200)), 0..400),
        ) {
            let mut recent = Recent::with_bytes(10 * (ENTRY_BYTES + 100));
            let mut store = HashMap::new();
            for (at, (key, length)) in writes.into_iter().enumerate() {
                let record = length.map(|length| vec![at as u8; length]);
                recent.wrote(&[key], record.as_ref());
                store.insert(key, record);
                prop_assert!(recent.0.as_ref().unwrap().weight() <= 10 * (ENTRY_BYTES + 100));
                for (key, record) in &store {
                    if let Some(known) = recent.get(&[*key]) {
                        prop_assert_eq!(Some(known), record.as_ref());
                    }
                }
            }
        }
    }
}
