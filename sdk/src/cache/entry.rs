//! One record, or the knowledge that there is none, as a cache holds it.

use std::time::Duration;

use bytes::Bytes;

use super::handle::UNBOUNDED;
use super::settings::Coherence;
use crate::record::Record;

/// Bytes that an entry takes besides those of its key, value and tags: in the index, in moka, among the keys of its watch, and
/// on the heap. Measured at 100,000 entries.
const OVERHEAD_BYTES: usize = 896;

/// Nobody knows how old it is.
pub(super) const UNKNOWN_AGE: u64 = 0;

/// What a key held at a revision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Absent: the key does not exist.
    pub(super) record: Option<Record>,
    /// It is true at this revision.
    pub(super) known_at: u64,
    /// It is as fresh as this moment, in nanoseconds of the cache's clock, or [`UNKNOWN_AGE`]. Only a relaxed cache asks for it:
    /// elsewhere the stream says how fresh everything is.
    pub(super) fresh_as_of: u64,
    /// Its time to live in the cache is over then, in nanoseconds of its clock.
    pub(super) expires_at: u64,
    /// The member that told it.
    pub(super) member: u64,
    pub(super) coherence: Coherence,
    pub(super) bytes: usize,
}

impl Entry {
    pub(super) fn new(
        key: &Bytes,
        record: Option<Record>,
        known_at: u64,
        (fresh_as_of, expires_at): (u64, u64),
        member: u64,
        coherence: Coherence,
    ) -> Self {
        // It may be a small part of a large message, which would live as long as the entry.
        let record = record.map(|record| Record {
            key: key.clone(),
            value: Bytes::copy_from_slice(&record.value),
            ..record
        });
        let tags = record
            .iter()
            .flat_map(|record| &record.tags)
            .map(String::len)
            .sum::<usize>();
        let value = record.as_ref().map_or(0, |record| record.value.len());
        Self {
            bytes: OVERHEAD_BYTES + key.len() + value + tags,
            record,
            known_at,
            fresh_as_of,
            expires_at,
            member,
            coherence,
        }
    }

    /// 0: there is none.
    pub(super) fn mod_revision(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.mod_revision)
    }
}

/// An answer of the cache. It is cheap to clone, and shares the record with the cache.
#[derive(Clone, Debug)]
pub struct Cached {
    pub(super) entry: std::sync::Arc<Entry>,
    pub(super) revision: u64,
    /// In nanoseconds.
    pub(super) staleness: u64,
}

impl Cached {
    /// The record; absent when the key does not exist, which a cache knows, too.
    pub fn record(&self) -> Option<&Record> {
        self.entry.record.as_ref()
    }

    /// The value; absent when the key does not exist.
    pub fn value(&self) -> Option<&[u8]> {
        self.record().map(|record| &record.value[..])
    }

    /// The revision of the store that the answer reflects.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How old it may be, which is proved: counted on this process's clock from the moment at which the question was sent
    /// whose answer shows that nothing newer was there. [`Duration::MAX`], which a relaxed cache alone answers and to no bound:
    /// the member that told it did not know.
    pub fn staleness(&self) -> Duration {
        match self.staleness {
            UNBOUNDED.. => Duration::MAX,
            known => Duration::from_nanos(known),
        }
    }

    /// Id of the member that told it.
    pub fn member(&self) -> u64 {
        self.entry.member
    }
}
