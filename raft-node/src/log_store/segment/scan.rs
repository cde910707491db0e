//! Finds the records of a segment, and tells a torn tail from damage.

use bytes::Bytes;

use crate::codec::{self, CodecError, HEADER_BYTES};
use crate::log_store::LogError;
use crate::log_store::record::{Position, RECORD_BYTES_MIN, Stored, decode_record, plausible_position};

/// Records of a segment one by one, each whole and next in sequence.
pub(super) struct Scan<'a> {
    file: &'a str,
    bytes: Bytes,
    offset: usize,
    sequence: u64,
}

/// A record and where it is.
pub(super) struct Found {
    pub offset: usize,
    pub bytes: usize,
    pub stored: Stored,
}

/// What is behind the last record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Zeroes, or nothing.
    Clean,
    /// Something that is not a record.
    Dirty,
}

impl<'a> Scan<'a> {
    /// Reads `bytes`, the content of `file`, whose first record must have this sequence.
    pub fn new(file: &'a str, bytes: Bytes, sequence: u64) -> Self {
        Self {
            file,
            bytes,
            offset: 0,
            sequence,
        }
    }

    /// Behind the last record that was returned.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The sequence that comes next.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The next record; nothing at the end, whatever follows. A whole record that this build does not know, or that
    /// is not next in sequence, is an error: no crash leaves one.
    pub fn next(&mut self) -> Result<Option<Found>, LogError> {
        let Some(bytes) = envelope_bytes(&self.bytes[self.offset..]) else {
            return Ok(None);
        };
        let record = self.bytes.slice(self.offset..self.offset + bytes);
        let (position, stored) = decode_record(&record).map_err(|error| self.unreadable(error))?;
        if position.sequence != self.sequence || position.synced >= position.sequence {
            return Err(self.corrupt(format!(
                "record {} where record {} should be",
                position.sequence, self.sequence
            )));
        }
        let found = Found {
            offset: self.offset,
            bytes,
            stored,
        };
        self.offset += bytes;
        self.sequence += 1;
        Ok(Some(found))
    }

    /// What is behind the last record.
    pub fn end(&self) -> End {
        let zeroes = self.bytes[self.offset..].iter().all(|byte| *byte == 0);
        if zeroes { End::Clean } else { End::Dirty }
    }

    /// Fails if a whole record behind the last one says that the one that is missing was durable.
    pub fn check_torn(&self) -> Result<(), LogError> {
        let rest = &self.bytes[self.offset..];
        for at in 0..rest.len().saturating_sub(RECORD_BYTES_MIN - 1) {
            let candidate = &rest[at..];
            // Both bytes are in every record's head, and seldom elsewhere: it spares the rest of the work.
            if candidate[1] != 3 || candidate[2] != 1 {
                continue;
            }
            if let Some(position) = plausible_position(candidate)
                && self.proves_durable(position, at)
                && envelope_bytes(candidate).is_some()
            {
                return Err(self.corrupt(format!(
                    "record {} is not what was written, although record {} at offset {} says that it was durable",
                    self.sequence,
                    position.sequence,
                    self.offset + at
                )));
            }
        }
        Ok(())
    }

    /// The error for damage behind the last record.
    pub fn corrupt(&self, reason: impl Into<String>) -> LogError {
        LogError::corrupt(self.file, self.offset as u64, reason)
    }

    /// Whether a record `at` bytes behind the last good one can be a later one that was written after a sync of the
    /// missing one. The bound on the sequence keeps bytes of a value from passing for a record by chance.
    fn proves_durable(&self, position: Position, at: usize) -> bool {
        let between = at.div_ceil(RECORD_BYTES_MIN) as u64;
        position.sequence > self.sequence
            && position.sequence <= self.sequence.saturating_add(between)
            && position.synced >= self.sequence
            && position.synced < position.sequence
    }

    fn unreadable(&self, error: CodecError) -> LogError {
        LogError::record(self.file, self.offset as u64, error)
    }
}

/// Length of the envelope that starts `bytes`, if it is whole and its checksum holds.
fn envelope_bytes(bytes: &[u8]) -> Option<usize> {
    let (header, ..) = codec::open(bytes).ok()?;
    Some(HEADER_BYTES + header.payload_bytes)
}
