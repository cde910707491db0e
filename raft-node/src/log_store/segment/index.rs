//! Where each entry is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::file_name;
use crate::log_store::DiskFile;

/// A record in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub segment: u32,
    pub offset: u32,
    pub bytes: u32,
}

impl Location {
    pub fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.bytes)
    }
}

pub(super) struct Segment {
    pub name: String,
    pub file: Arc<dyn DiskFile>,
    /// Length of the file.
    pub bytes: u64,
    /// Highest index of any entry in it, whether it was truncated later or not.
    pub index_max: Option<u64>,
}

/// Segments by number, and the entries in them, consecutive from `first`. Shared by the writer and the readers.
#[derive(Default)]
pub(super) struct Index {
    pub segments: BTreeMap<u32, Segment>,
    first: u64,
    entries: VecDeque<Location>,
}

impl Index {
    pub fn add_segment(&mut self, number: u32, file: Arc<dyn DiskFile>, bytes: u64) {
        let segment = Segment {
            name: file_name(number),
            file,
            bytes,
            index_max: None,
        };
        self.segments.insert(number, segment);
    }

    pub fn first_index(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.first)
    }

    /// Index after the last entry, if there is one.
    pub fn end(&self) -> Option<u64> {
        (!self.entries.is_empty()).then(|| self.first + self.entries.len() as u64)
    }

    /// Adds the next entry; the caller knows that it is the next one.
    pub fn push(&mut self, index: u64, location: Location) {
        if self.entries.is_empty() {
            self.first = index;
        }
        self.entries.push_back(location);
        if let Some(segment) = self.segments.get_mut(&location.segment) {
            segment.index_max = segment.index_max.max(Some(index));
            segment.bytes = segment.bytes.max(location.end());
        }
    }

    /// Forgets entries after `last`, all of them if there is none.
    pub fn truncate_after(&mut self, last: Option<u64>) {
        let kept = last.map_or(0, |last| last.saturating_add(1).saturating_sub(self.first));
        self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// Forgets entries up to and including `last`.
    pub fn purge_to(&mut self, last: u64) {
        let gone = last.saturating_add(1).saturating_sub(self.first);
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.drain(..gone);
        self.first += gone as u64;
    }

    /// The entry at `index`.
    pub fn get(&self, index: u64) -> Option<Location> {
        let place = index.checked_sub(self.first)?;
        self.entries.get(usize::try_from(place).ok()?).copied()
    }

    pub fn disk_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }
}
