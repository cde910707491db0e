//! What openraft reads.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use openraft::{OptionalSend, RaftLogReader};

use super::LogStore;
use crate::consensus::{Entry, TypeConfig, Vote};
use crate::failpoints;

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        Ok(self.shared.read(&half_open(&range), None)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.state.lock().vote)
    }

    /// Stops at [`super::LogOptions::read_bytes_max`], which bounds what replication sends in one message.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        if failpoints::pass("log-read").await {
            return Err(failpoints::injected("log-read"));
        }
        let bytes_max = self.shared.options.read_bytes_max;
        Ok(self.shared.read(&(start..end), Some(bytes_max))?)
    }
}

/// No entry has the index `u64::MAX`, so an end that is left open misses nothing.
fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
