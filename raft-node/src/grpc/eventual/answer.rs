//! The entries of one answer, up to a number of bytes.

use prost::Message;
use quorate_proto::v1::EventualEntry;

/// Entries that go back together. One always fits, whatever its size, so that every key can be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) entries: Vec<EventualEntry>,
    bytes: u64,
    bytes_max: u64,
}

/// One more entry would be too much; it was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// What they would have together.
    pub(super) bytes: u64,
}

impl Answer {
    pub(super) fn of_at_most(bytes_max: u64) -> Self {
        Answer {
            entries: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Adds an entry, unless it is not the first and would be too much.
    pub(super) fn push(&mut self, entry: EventualEntry) -> Result<(), Over> {
        let bytes = self.bytes + entry.encoded_len() as u64;
        if bytes > self.bytes_max && !self.entries.is_empty() {
            return Err(Over { bytes });
        }
        self.bytes = bytes;
        self.entries.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> EventualEntry {
        EventualEntry {
            value: vec![b'x'; bytes].into(),
            ..EventualEntry::default()
        }
    }

    #[test]
    fn one_entry_always_fits_and_another_only_within_the_limit() {
        let mut answer = Answer::of_at_most(100);
        assert_eq!(answer.push(entry(1_000)), Ok(()));
        assert_eq!(answer.push(entry(1)), Err(Over { bytes: 1_003 + 3 }));
        assert_eq!(answer.entries.len(), 1);

        let mut answer = Answer::of_at_most(100);
        for _ in 0..4 {
            assert_eq!(answer.push(entry(23)), Ok(()));
        }
        assert!(answer.push(entry(1)).is_err());
    }
}
