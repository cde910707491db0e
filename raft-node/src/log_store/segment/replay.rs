//! What the records of the stream add up to.

use super::index::{Index, Location};
use crate::consensus::LogId;
use crate::log_store::record::SegmentHead;
use crate::log_store::{LogRecord, Recovered};

/// The state after some records.
#[derive(Default)]
pub(super) struct Replay {
    pub head: SegmentHead,
    pub last: Option<LogId>,
    /// A head was read or written.
    started: bool,
}

/// An entry that would leave a hole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("entry {found} where entry {expected} should be")]
pub(super) struct NotNext {
    pub found: u64,
    pub expected: u64,
}

impl Replay {
    /// The head of the oldest segment is where the stream begins; later ones must repeat what is known.
    pub fn apply_head(&mut self, head: SegmentHead) -> Result<(), String> {
        if self.started && self.head != head {
            return Err("the segment's head contradicts the segments before".to_owned());
        }
        self.started = true;
        self.last = self.last.max(head.purged);
        self.head = head;
        Ok(())
    }

    /// The stream begins with an empty head.
    pub fn apply_new_head(&mut self) {
        self.started = true;
    }

    /// Takes the next record into account; `at` is where it is.
    pub fn apply_record(&mut self, record: &LogRecord, at: Location, index: &mut Index) -> Result<(), NotNext> {
        match record {
            LogRecord::Vote(vote) => self.head.vote = Some(*vote),
            LogRecord::Committed(committed) => self.head.committed = *committed,
            LogRecord::Entry(entry) => {
                let found = entry.log_id.index;
                if let Some(expected) = index.end()
                    && expected != found
                {
                    return Err(NotNext { found, expected });
                }
                index.push(found, at);
                self.last = Some(entry.log_id);
            }
            LogRecord::TruncateAfter(last) => {
                index.truncate_after(last.map(|last| last.index));
                self.last = self.last.min(*last).max(self.head.purged);
            }
            LogRecord::Purge(purged) => {
                self.head.purged = self.head.purged.max(Some(*purged));
                if self.last <= self.head.purged {
                    self.last = self.head.purged;
                    index.truncate_after(None);
                }
                index.purge_to(purged.index);
            }
        }
        Ok(())
    }

    /// What was recovered. An error says which entries are missing.
    pub fn finish(&self, index: &Index, first_segment: u32) -> Result<Recovered, String> {
        let purged = self.head.purged;
        if purged.is_none() && first_segment != 1 {
            return Err(format!(
                "nothing was purged, but the segments before number {first_segment} are missing"
            ));
        }
        if let (Some(purged), Some(first)) = (purged, index.first_index())
            && first > purged.index + 1
        {
            return Err(format!("entries {} to {} are missing", purged.index + 1, first - 1));
        }
        Ok(Recovered {
            vote: self.head.vote,
            committed: self.head.committed.min(self.last),
            purged,
            first_index: index.first_index(),
            last: self.last,
        })
    }
}
