//! The log in a RocksDB of its own, to measure the segments against.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DB, DBCompressionType, DBRecoveryMode, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::device::{EntryReader, LogDevice, Recovered};
use super::record::{Position, Stored, decode_record, encode_record};
use super::{LogError, LogRecord};
use crate::consensus::{Entry, LogId};

const VOTE: &[u8] = b"v";
const COMMITTED: &[u8] = b"c";
const PURGED: &[u8] = b"p";
const ENTRY: u8 = b"e"[0];
const NOWHERE: Position = Position { sequence: 0, synced: 0 };

/// A [`LogDevice`] on RocksDB: the write-ahead log is on, and the sync is the write.
pub struct RocksDevice {
    db: Arc<DB>,
    /// Collected by `write`, written by `sync`.
    batch: WriteBatch,
    buffer: Vec<u8>,
    recovered: Recovered,
}

struct RocksReader(Arc<DB>);

impl RocksDevice {
    /// Opens the database in `directory`, and makes it if it is missing.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_compression_type(DBCompressionType::None);
        let db = DB::open(&options, directory).map_err(|error| failed("open", error))?;
        Ok(Self {
            db: Arc::new(db),
            batch: WriteBatch::default(),
            buffer: Vec::new(),
            recovered: Recovered::default(),
        })
    }

    fn put(&mut self, key: &[u8], record: &LogRecord) -> Result<(), LogError> {
        self.buffer.clear();
        let encoded = encode_record(record, NOWHERE, &mut self.buffer);
        encoded.map_err(|error| LogError::record("rocksdb", 0, error))?;
        self.batch.put(key, &self.buffer);
        Ok(())
    }

    fn record(&self, key: &[u8]) -> Result<Option<LogRecord>, LogError> {
        let value = self.db.get(key).map_err(|error| failed("read", error))?;
        value.map(|value| decode(&value)).transpose()
    }
}

impl LogDevice for RocksDevice {
    fn recover(&mut self) -> Result<Recovered, LogError> {
        let mut recovered = Recovered::default();
        if let Some(LogRecord::Vote(vote)) = self.record(VOTE)? {
            recovered.vote = Some(vote);
        }
        if let Some(LogRecord::Purge(purged)) = self.record(PURGED)? {
            (recovered.purged, recovered.last) = (Some(purged), Some(purged));
        }
        let all = IteratorMode::From(&[ENTRY], Direction::Forward);
        for row in self
            .db
            .iterator(all)
            .take_while(|row| row.as_ref().map_or(true, |(key, _)| key[0] == ENTRY))
        {
            let (_, value) = row.map_err(|error| failed("read", error))?;
            if let LogRecord::Entry(entry) = decode(&value)? {
                recovered.first_index.get_or_insert(entry.log_id.index);
                recovered.last = Some(entry.log_id);
            }
        }
        if let Some(LogRecord::Committed(committed)) = self.record(COMMITTED)? {
            recovered.committed = committed.min(recovered.last);
        }
        self.recovered = recovered;
        Ok(recovered)
    }

    fn write(&mut self, records: &[LogRecord]) -> Result<u64, LogError> {
        let before = self.batch.size_in_bytes();
        for record in records {
            match record {
                LogRecord::Vote(_) => self.put(VOTE, record)?,
                LogRecord::Committed(_) => self.put(COMMITTED, record)?,
                LogRecord::Entry(entry) => self.put(&key(entry.log_id.index), record)?,
                LogRecord::TruncateAfter(last) => {
                    let end = last.map_or(0, |last: LogId| last.index + 1);
                    self.batch.delete_range(key(end), key(u64::MAX));
                }
                LogRecord::Purge(purged) => {
                    self.put(PURGED, record)?;
                    self.batch.delete_range(key(0), key(purged.index + 1));
                }
            }
        }
        Ok((self.batch.size_in_bytes() - before) as u64)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let batch = std::mem::take(&mut self.batch);
        self.db
            .write_opt(batch, &options)
            .map_err(|error| failed("write", error))
    }

    fn reader(&self) -> Arc<dyn EntryReader> {
        Arc::new(RocksReader(Arc::clone(&self.db)))
    }

    fn disk_bytes(&self) -> u64 {
        let live = self.db.property_int_value("rocksdb.live-sst-files-size");
        live.ok().flatten().unwrap_or(0)
    }
}

impl EntryReader for RocksReader {
    fn read(&self, indexes: Range<u64>, bytes_max: u64) -> Result<Vec<Entry>, LogError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for index in indexes {
            let Some(value) = self.0.get(key(index)).map_err(|error| failed("read", error))? else {
                break;
            };
            bytes += value.len() as u64;
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            if let LogRecord::Entry(entry) = decode(&value)? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }
}

fn key(index: u64) -> [u8; 9] {
    let mut key = [ENTRY; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

fn decode(value: &[u8]) -> Result<LogRecord, LogError> {
    match decode_record(&Bytes::copy_from_slice(value)) {
        Ok((_, Stored::Record(record))) => Ok(record),
        Ok((_, Stored::Head(_))) => Err(LogError::corrupt("rocksdb", 0, "a segment's head")),
        Err(error) => Err(LogError::record("rocksdb", 0, error)),
    }
}

fn failed(operation: &'static str, error: rocksdb::Error) -> LogError {
    LogError::io(operation, "rocksdb", 0, std::io::Error::other(error))
}
