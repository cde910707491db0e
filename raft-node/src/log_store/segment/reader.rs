//! Reads entries from segments, beside the writer.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::index::{Index, Location};
use crate::consensus::Entry;
use crate::log_store::device::EntryReader;
use crate::log_store::record::{Stored, decode_record};
use crate::log_store::{DiskFile, LogError, LogRecord};

/// Most bytes read at once. A record that is longer is read alone.
const READ_BYTES_MAX: u64 = 1 << 20;

pub(super) struct SegmentReader {
    index: Arc<RwLock<Index>>,
}

/// Records of one segment that are read at once.
struct Span {
    name: String,
    file: Arc<dyn DiskFile>,
    records: Vec<Location>,
}

impl SegmentReader {
    pub fn new(index: Arc<RwLock<Index>>) -> Self {
        Self { index }
    }

    /// Where the wanted entries are. A segment that is deleted later can still be read through its handle.
    fn plan(&self, indexes: Range<u64>, bytes_max: u64) -> Vec<Span> {
        let index = self.index.read();
        let mut spans: Vec<Span> = Vec::new();
        let mut bytes = 0_u64;
        for location in indexes.map_while(|at| index.get(at)) {
            bytes += u64::from(location.bytes);
            if bytes > bytes_max && !spans.is_empty() {
                break;
            }
            if let Some(span) = spans.last_mut()
                && span.takes(location)
            {
                span.records.push(location);
            } else if let Some(segment) = index.segments.get(&location.segment) {
                spans.push(Span {
                    name: segment.name.clone(),
                    file: Arc::clone(&segment.file),
                    records: vec![location],
                });
            } else {
                break;
            }
        }
        spans
    }
}

impl EntryReader for SegmentReader {
    fn read(&self, indexes: Range<u64>, bytes_max: u64) -> Result<Vec<Entry>, LogError> {
        let mut expected = indexes.start;
        let mut entries = Vec::new();
        for span in self.plan(indexes, bytes_max) {
            let (start, bytes) = span.read()?;
            for location in &span.records {
                entries.push(span.entry(&bytes, start, *location, expected)?);
                expected += 1;
            }
        }
        Ok(entries)
    }
}

impl Span {
    /// Whether the record at `next` can be read together with these.
    fn takes(&self, next: Location) -> bool {
        let (Some(first), Some(last)) = (self.records.first(), self.records.last()) else {
            return false;
        };
        next.segment == last.segment
            && u64::from(next.offset) >= last.end()
            && next.end() - u64::from(first.offset) <= READ_BYTES_MAX
    }

    /// The bytes of all records, and where in the file they start.
    fn read(&self) -> Result<(u64, Bytes), LogError> {
        let (Some(first), Some(last)) = (self.records.first(), self.records.last()) else {
            return Ok((0, Bytes::new()));
        };
        let start = u64::from(first.offset);
        let length = last.end() - start;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| self.corrupt(start, "the record is too long"))?];
        let read = self.file.read_at(start, &mut bytes);
        read.map_err(|error| LogError::io("read", &self.name, length, error))?;
        Ok((start, Bytes::from(bytes)))
    }

    fn entry(&self, bytes: &Bytes, start: u64, at: Location, index: u64) -> Result<Entry, LogError> {
        let offset = u64::from(at.offset);
        let from = usize::try_from(offset - start).map_err(|_| self.corrupt(offset, "the record is too far"))?;
        let record = bytes.slice(from..from + at.bytes as usize);
        match decode_record(&record) {
            Ok((_, Stored::Record(LogRecord::Entry(entry)))) if entry.log_id.index == index => Ok(entry),
            Ok(_) => Err(self.corrupt(
                offset,
                &format!("there is another record where entry {index} was written"),
            )),
            Err(error) => Err(self.corrupt(offset, &format!("entry {index} is not what was written: {error}"))),
        }
    }

    fn corrupt(&self, offset: u64, reason: &str) -> LogError {
        LogError::corrupt(&self.name, offset, reason)
    }
}
