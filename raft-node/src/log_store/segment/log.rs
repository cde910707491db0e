//! The writer's side of the segments.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;

use super::file_name;
use super::index::{Index, Location};
use super::reader::SegmentReader;
use super::recover::{self, Current};
use super::replay::Replay;
use crate::log_store::device::{EntryReader, LogDevice, Recovered};
use crate::log_store::record::{Position, encode_head, encode_record};
use crate::log_store::{Disk, LogError, LogRecord};

/// Capacity that the write buffer keeps between groups.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// Zeroes that are written behind the records whenever these come to a part of the segment that was allocated only. A sync
/// of blocks that were never written to has to make the file system's journal durable as well, which takes as long again.
static ZEROES: [u8; 256 << 10] = [0; 256 << 10];

/// A [`LogDevice`] of segment files.
pub struct SegmentLog {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    index: Arc<RwLock<Index>>,
    replay: Replay,
    /// The segment that is written to; nothing until the log was recovered.
    current: Option<Current>,
    /// Sequence of the next record.
    sequence: u64,
    /// The newest sequence known to be durable.
    synced: u64,
    /// A purge was written since the last sync.
    purge_written: bool,
    /// A purge is durable, and its segments may still be there.
    purge_durable: bool,
    buffer: Vec<u8>,
    /// Where the records in the buffer end.
    ends: Vec<usize>,
}

impl SegmentLog {
    /// A log in the files of `disk`, whose segments are `segment_bytes` long. Nothing is read before
    /// [`recover`](LogDevice::recover).
    pub fn new(disk: impl Disk, segment_bytes: u64) -> Self {
        Self {
            disk: Arc::new(disk),
            segment_bytes,
            index: Arc::default(),
            replay: Replay::default(),
            current: None,
            sequence: 1,
            synced: 0,
            purge_written: false,
            purge_durable: false,
            buffer: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn position(&self) -> Position {
        Position {
            sequence: self.sequence,
            synced: self.synced,
        }
    }

    fn current(&self) -> Result<&Current, LogError> {
        self.current.as_ref().ok_or(LogError::Closed)
    }

    /// Appends `record` to the buffer.
    fn stage(&mut self, record: &LogRecord) -> Result<(), LogError> {
        let position = self.position();
        if let Err(error) = encode_record(record, position, &mut self.buffer) {
            let current = self.current()?;
            return Err(LogError::record(&current.name(), current.offset, error));
        }
        self.ends.push(self.buffer.len());
        self.sequence += 1;
        Ok(())
    }

    /// Takes the last record out of the buffer again.
    fn unstage(&mut self) {
        self.ends.pop();
        self.buffer.truncate(self.ends.last().copied().unwrap_or(0));
        self.sequence -= 1;
    }

    /// Whether the records in the buffer have to be in two segments. A segment holds at least one record.
    fn overflows(&self) -> Result<bool, LogError> {
        let current = self.current()?;
        let only_one = current.is_fresh() && self.ends.len() == 1;
        Ok(!only_one && current.offset + self.buffer.len() as u64 > self.segment_bytes)
    }

    /// Writes the buffer, which holds `records`. Returns its length.
    fn flush(&mut self, records: &[LogRecord]) -> Result<u64, LogError> {
        let bytes = self.buffer.len() as u64;
        if bytes == 0 {
            return Ok(0);
        }
        let Some(current) = &mut self.current else {
            return Err(LogError::Closed);
        };
        let written = current.file.write_at(current.offset, &self.buffer);
        let written = written.and_then(|()| current.write_ahead(bytes, self.segment_bytes));
        written.map_err(|error| LogError::io("write", &file_name(current.number), bytes, error))?;

        let mut index = self.index.write();
        let mut start = 0;
        for (record, end) in records.iter().zip(self.ends.drain(..)) {
            let at = current.location(start, end)?;
            let applied = self.replay.apply_record(record, at, &mut index);
            applied.map_err(|wrong| LogError::NotConsecutive {
                found: wrong.found,
                expected: wrong.expected,
            })?;
            self.purge_written |= matches!(record, LogRecord::Purge(_));
            start = end;
        }
        current.offset += bytes;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        Ok(bytes)
    }

    fn sync_current(&mut self) -> Result<(), LogError> {
        let current = self.current()?;
        let synced = current.file.sync();
        synced.map_err(|error| LogError::io("sync", &current.name(), 0, error))?;
        self.synced = self.sequence - 1;
        self.purge_durable |= std::mem::take(&mut self.purge_written);
        Ok(())
    }

    /// Goes on in a new segment. Returns the length of its head.
    fn roll(&mut self) -> Result<u64, LogError> {
        self.sync_current()?;
        let number = self.current()?.number;
        let next = number.checked_add(1).ok_or(LogError::Option {
            option: "number of segments",
            value: u64::from(number) + 1,
            min: 1,
            max: u64::from(u32::MAX),
        })?;
        self.start_segment(next)
    }

    /// Makes segment `number`. Its name and its head are durable on return, so a record behind a head that cannot be
    /// read proves damage.
    fn start_segment(&mut self, number: u32) -> Result<u64, LogError> {
        let name = file_name(number);
        let file = self.disk.create(&name, self.segment_bytes);
        let file = file.map_err(|error| LogError::io("create", &name, self.segment_bytes, error))?;
        let mut head = Vec::new();
        let sealed = encode_head(&self.replay.head, self.position(), &mut head);
        sealed.map_err(|error| LogError::record(&name, 0, error))?;
        let bytes = head.len() as u64;
        let written = file.write_at(0, &head);
        written.map_err(|error| LogError::io("write", &name, bytes, error))?;
        let synced = file.sync().and_then(|()| self.disk.sync_directory());
        synced.map_err(|error| LogError::io("sync", &name, 0, error))?;
        self.index
            .write()
            .add_segment(number, Arc::clone(&file), self.segment_bytes);
        self.current = Some(Current {
            number,
            file,
            offset: bytes,
            head_bytes: bytes,
            written_to: bytes,
        });
        self.synced = self.sequence;
        self.sequence += 1;
        Ok(bytes)
    }

    /// The oldest segment, if it holds only purged entries.
    fn reclaimable(&self) -> Result<Option<(u32, String)>, LogError> {
        let current = self.current()?.number;
        let Some(purged) = self.replay.head.purged.map(|purged| purged.index) else {
            return Ok(None);
        };
        let index = self.index.read();
        let oldest = index.segments.first_key_value();
        let gone = oldest.filter(|(number, segment)| **number != current && segment.index_max <= Some(purged));
        Ok(gone.map(|(number, segment)| (*number, segment.name.clone())))
    }
}

impl LogDevice for SegmentLog {
    fn recover(&mut self) -> Result<Recovered, LogError> {
        let mut index = Index::default();
        let found = recover::recover(&*self.disk, self.segment_bytes, &mut index)?;
        *self.index.write() = index;
        self.replay = found.replay;
        self.sequence = found.sequence;
        self.synced = found.sequence - 1;
        self.current = found.current;
        self.purge_written = true;
        if self.current.is_none() {
            self.replay.apply_new_head();
            self.start_segment(1)?;
        }
        // What was read may be in the page cache only.
        self.sync()?;
        while self.reclaim()? {}
        Ok(found.recovered)
    }

    fn write(&mut self, records: &[LogRecord]) -> Result<u64, LogError> {
        self.buffer.clear();
        self.ends.clear();
        let mut bytes = 0;
        let mut from = 0;
        for (at, record) in records.iter().enumerate() {
            self.stage(record)?;
            if self.overflows()? {
                self.unstage();
                bytes += self.flush(&records[from..at])?;
                bytes += self.roll()?;
                from = at;
                self.stage(record)?;
            }
        }
        Ok(bytes + self.flush(&records[from..])?)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.sync_current()
    }

    /// Deletes one segment: the oldest first, each durably before the next, so that what is left has no gap.
    fn reclaim(&mut self) -> Result<bool, LogError> {
        if !self.purge_durable {
            return Ok(false);
        }
        let Some((number, name)) = self.reclaimable()? else {
            self.purge_durable = false;
            return Ok(false);
        };
        let deleted = self.disk.delete(&name).and_then(|()| self.disk.sync_directory());
        deleted.map_err(|error| LogError::io("delete", &name, 0, error))?;
        self.index.write().segments.remove(&number);
        Ok(true)
    }

    fn reader(&self) -> Arc<dyn EntryReader> {
        Arc::new(SegmentReader::new(Arc::clone(&self.index)))
    }

    fn disk_bytes(&self) -> u64 {
        self.index.read().disk_bytes()
    }
}

impl Current {
    fn name(&self) -> String {
        file_name(self.number)
    }

    /// Nothing but the head is in it.
    fn is_fresh(&self) -> bool {
        self.offset == self.head_bytes
    }

    /// Writes zeroes behind a group of so many bytes, if that has come to what was never written to. A group that is as long
    /// itself does without: the next one comes there in any case.
    fn write_ahead(&mut self, group_bytes: u64, segment_bytes: u64) -> io::Result<()> {
        let end = self.offset + group_bytes;
        if end <= self.written_to {
            return Ok(());
        }
        let ahead = ZEROES.len() as u64;
        let zeroes = if group_bytes < ahead {
            segment_bytes.saturating_sub(end).min(ahead)
        } else {
            0
        };
        self.file.write_at(end, &ZEROES[..zeroes as usize])?;
        self.written_to = end + zeroes;
        Ok(())
    }

    /// Of a record between two places of the buffer.
    fn location(&self, start: usize, end: usize) -> Result<Location, LogError> {
        let offset = self.offset + start as u64;
        match (u32::try_from(offset), u32::try_from(end - start)) {
            (Ok(offset), Ok(bytes)) => Ok(Location {
                segment: self.number,
                offset,
                bytes,
            }),
            _ => Err(LogError::Option {
                option: "offset in a segment",
                value: offset,
                min: 0,
                max: u64::from(u32::MAX),
            }),
        }
    }
}
