//! Filters, counts, sorts and limits what a range finds.

use std::cmp::Ordering;

use super::range::{Range, RangeReply, SortTarget};
use crate::mvcc::KeyRecord;
use crate::mvcc::record::RecordRef;
use crate::storage::StorageError;
use crate::types::Revision;

/// Takes records in the order of the scan. Holds no more than about twice what it will return.
pub struct Collector<'r> {
    range: &'r Range,
    /// Records come in another order than that of the reply.
    sorts: bool,
    records: Vec<KeyRecord>,
    bytes: u64,
    full: bool,
    count: u64,
}

impl<'r> Collector<'r> {
    /// Nothing taken yet. `ascending`: records will come in ascending order of keys.
    pub fn new(range: &'r Range, ascending: bool) -> Self {
        Self {
            range,
            sorts: range.sort != SortTarget::Key || (range.descending && ascending),
            records: Vec::new(),
            bytes: 0,
            full: false,
            count: 0,
        }
    }

    /// The records themselves do not matter, only that the keys match.
    pub fn counts_alone(&self) -> bool {
        self.range.count_only && !has_bounds(self.range)
    }

    /// Counts a key whose record need not be looked at.
    pub fn count(&mut self, key: &[u8]) {
        if self.range.keys.matches_in_span(key) {
            self.count += 1;
        }
    }

    /// Takes a record if it matches.
    pub fn offer(&mut self, key: &[u8], stored: &[u8]) -> Result<(), StorageError> {
        if !self.range.keys.matches_in_span(key) {
            return Ok(());
        }
        let wanted = !self.range.count_only && !self.full;
        if !wanted && !has_bounds(self.range) && self.range.tag.is_none() {
            self.count += 1;
            return Ok(());
        }
        let record = RecordRef::parse(stored)?;
        if !self.admits(&record) {
            return Ok(());
        }
        self.count += 1;
        if !wanted {
            return Ok(());
        }
        let with_value = !self.range.keys_only || self.range.sort == SortTarget::Value;
        let taken = KeyRecord {
            key: key.to_vec(),
            record: record.to_record(with_value),
        };
        if self.sorts {
            self.bytes = self.bytes.saturating_add(taken.bytes());
            self.records.push(taken);
            self.prune();
        } else if self.fits(self.records.len(), self.bytes, taken.bytes()) {
            self.bytes += taken.bytes();
            self.records.push(taken);
        } else {
            self.full = true;
        }
        Ok(())
    }

    /// The reply.
    pub fn finish(mut self) -> RangeReply {
        if self.sorts {
            self.keep_first();
        }
        if self.range.keys_only {
            for taken in &mut self.records {
                taken.record.value = Vec::new();
            }
        }
        RangeReply {
            more: !self.range.count_only && self.count > self.records.len() as u64,
            count: self.count,
            records: self.records,
        }
    }

    fn admits(&self, record: &RecordRef<'_>) -> bool {
        let tagged = match &self.range.tag {
            Some(tag) => record.tags.iter().any(|own| own == tag),
            None => true,
        };
        tagged
            && within(record.mod_revision, self.range.mod_revision)
            && within(record.create_revision, self.range.create_revision)
    }

    fn fits(&self, records: usize, bytes: u64, more: u64) -> bool {
        records == 0 || ((records as u64) < self.range.limit && bytes.saturating_add(more) <= self.range.bytes_max)
    }

    /// Drops what cannot be among the first, once it is half of what is held.
    fn prune(&mut self) {
        let too_many = self.records.len() as u64 > self.range.limit.saturating_mul(2).saturating_add(64);
        if too_many || self.bytes > self.range.bytes_max.saturating_mul(2).saturating_add(64 << 10) {
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        let range = self.range;
        self.records.sort_unstable_by(|a, b| compare(range, a, b));
        let mut bytes = 0;
        let mut kept = 0;
        for taken in &self.records {
            if !self.fits(kept, bytes, taken.bytes()) {
                break;
            }
            bytes += taken.bytes();
            kept += 1;
        }
        self.records.truncate(kept);
        self.bytes = bytes;
    }
}

/// Equal sort targets are told apart by key; descending is the exact reverse.
fn compare(range: &Range, a: &KeyRecord, b: &KeyRecord) -> Ordering {
    let (x, y) = (&a.record, &b.record);
    let by_target = match range.sort {
        SortTarget::Key => Ordering::Equal,
        SortTarget::Version => x.version.cmp(&y.version),
        SortTarget::CreateRevision => x.create_revision.cmp(&y.create_revision),
        SortTarget::ModRevision => x.mod_revision.cmp(&y.mod_revision),
        SortTarget::Value => x.value.cmp(&y.value),
    };
    let ascending = by_target.then_with(|| a.key.cmp(&b.key));
    if range.descending {
        ascending.reverse()
    } else {
        ascending
    }
}

fn has_bounds(range: &Range) -> bool {
    let bounds = [range.mod_revision, range.create_revision];
    bounds.iter().any(|(least, most)| least.is_some() || most.is_some())
}

fn within(revision: Revision, (least, most): (Option<Revision>, Option<Revision>)) -> bool {
    least.is_none_or(|least| revision >= least) && most.is_none_or(|most| revision <= most)
}
