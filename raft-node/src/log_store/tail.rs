//! The newest entries, in memory.

use std::collections::VecDeque;
use std::ops::Range;

use super::payload::payload_bytes;
use crate::consensus::Entry;

/// Bytes that an entry costs beside its payload.
const ENTRY_OVERHEAD_BYTES: u64 = 96;

/// Bytes that `entry` counts for.
pub(super) fn entry_bytes(entry: &Entry) -> u64 {
    payload_bytes(&entry.payload) as u64 + ENTRY_OVERHEAD_BYTES
}

struct TailEntry {
    entry: Entry,
    bytes: u64,
    /// Number of the operation that appended it: it may go once that operation is on the medium.
    operation: u64,
}

/// Consecutive entries up to the last one of the log. Empty means that every entry is on the medium.
#[derive(Default)]
pub(super) struct Tail {
    entries: VecDeque<TailEntry>,
    bytes: u64,
}

impl Tail {
    /// Index of the oldest entry here.
    pub fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|tail| tail.entry.log_id.index)
    }

    pub fn push(&mut self, entry: Entry, operation: u64) {
        let bytes = entry_bytes(&entry);
        self.bytes += bytes;
        self.entries.push_back(TailEntry {
            entry,
            bytes,
            operation,
        });
    }

    /// Drops entries from `index` on.
    pub fn truncate_from(&mut self, index: u64) {
        while let Some(last) = self.entries.pop_back_if(|tail| tail.entry.log_id.index >= index) {
            self.bytes -= last.bytes;
        }
    }

    /// Drops entries up to and including `index`.
    pub fn purge_to(&mut self, index: u64) {
        while let Some(first) = self.entries.pop_front_if(|tail| tail.entry.log_id.index <= index) {
            self.bytes -= first.bytes;
        }
    }

    /// Drops the oldest entries while there are more than `bytes_max`, but none that is not on the medium: operations
    /// up to `written` are.
    pub fn evict(&mut self, bytes_max: u64, written: u64) {
        while self.bytes > bytes_max {
            let Some(first) = self.entries.pop_front_if(|tail| tail.operation <= written) else {
                return;
            };
            self.bytes -= first.bytes;
        }
    }

    /// Copies entries of `indexes`, from the first one that is here, until `bytes_max` is reached; at least one.
    pub fn copy(&self, indexes: Range<u64>, bytes_max: u64, out: &mut Vec<Entry>) {
        let Some(first) = self.first_index() else { return };
        let skip = usize::try_from(indexes.start.saturating_sub(first)).unwrap_or(usize::MAX);
        let wanted = self.entries.iter().skip(skip);
        let mut bytes = 0_u64;
        for tail in wanted.take_while(|tail| tail.entry.log_id.index < indexes.end) {
            bytes = bytes.saturating_add(tail.bytes);
            if !out.is_empty() && bytes > bytes_max {
                return;
            }
            out.push(tail.entry.clone());
        }
    }
}
