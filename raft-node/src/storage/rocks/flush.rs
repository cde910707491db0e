//! Flushes that are over when they return.
//!
//! RocksDB 11.8 waits for an atomic flush by comparing each table with the memtable id of another: it matches the
//! tables it flushes with ids out of an unordered map, by position. If one table was flushed more often than another,
//! the call may return success while the last writes are still in memory only. The flush itself is queued, and is
//! atomic.
//!
//! So each flush first writes a number to the column family that no [`Table`] uses, and is over when a read that sees
//! nothing but files finds that number: what is flushed together is on disk together. The tests of this folder fail
//! without it.

use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rocksdb::properties::BACKGROUND_ERRORS;
use rocksdb::{ColumnFamily, DB, DEFAULT_COLUMN_FAMILY_NAME, FlushOptions, ReadOptions, ReadTier, WriteOptions};

use super::super::{StorageError, Table};
use super::{checked_reads, failed};

const DOING: &str = "flush";
const MARKER: &[u8] = b"flush";
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// A minute at least. A flush takes milliseconds; a disk that needs longer than this is as good as broken.
const POLLS_MAX: u32 = 60_000;

/// The number of the last flush asked for.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// Held while a number is written, so that numbers reach the store in their order.
    last: Mutex<u64>,
}

impl Flushes {
    /// Goes on from the number in the store.
    pub fn of(db: &DB) -> Result<Flushes, StorageError> {
        let last = number(db, &checked_reads())?;
        Ok(Flushes { last: Mutex::new(last) })
    }

    /// Returns when everything written before the call is on disk, in all tables.
    pub fn flush(&self, db: &DB) -> Result<(), StorageError> {
        let errors_before = background_errors(db)?;
        let asked = self.mark(db)?;
        flush_all(db)?;
        wait_until_on_disk(db, asked, errors_before)
    }

    fn mark(&self, db: &DB) -> Result<u64, StorageError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        let mut last = self.last.lock();
        let next = last
            .checked_add(1)
            .ok_or_else(|| failed(DOING, "the flushes are used up"))?;
        db.put_cf_opt(markers(db)?, MARKER, next.to_be_bytes(), &options)
            .map_err(|error| failed(DOING, error))?;
        *last = next;
        Ok(next)
    }
}

/// Asks for a flush of every table; it may return before that is done.
fn flush_all(db: &DB) -> Result<(), StorageError> {
    let mut column_families = vec![markers(db)?];
    for table in Table::ALL {
        let column_family = db.cf_handle(table.name());
        column_families.push(column_family.ok_or_else(|| failed(DOING, "a table is missing"))?);
    }
    let mut options = FlushOptions::default();
    options.set_wait(true);
    db.flush_cfs_opt(&column_families, &options)
        .map_err(|error| failed(DOING, error))
}

fn wait_until_on_disk(db: &DB, asked: u64, mut errors_before: u64) -> Result<(), StorageError> {
    let mut files_only = checked_reads();
    files_only.set_read_tier(ReadTier::Persisted);
    for _ in 0..POLLS_MAX {
        if number(db, &files_only)? >= asked {
            return Ok(());
        }
        let errors = background_errors(db)?;
        if errors > errors_before {
            // A flush or a compaction failed in the background. Asked once more, RocksDB says why, unless it has got over it.
            flush_all(db)?;
            errors_before = errors;
        }
        thread::sleep(POLL_INTERVAL);
    }
    Err(failed(
        DOING,
        format!("not on disk after {POLLS_MAX} polls of {POLL_INTERVAL:?}"),
    ))
}

fn number(db: &DB, read: &ReadOptions) -> Result<u64, StorageError> {
    let stored = db
        .get_pinned_cf_opt(markers(db)?, MARKER, read)
        .map_err(|error| failed(DOING, error))?;
    match stored {
        None => Ok(0),
        Some(bytes) => <[u8; 8]>::try_from(&bytes[..]).map(u64::from_be_bytes).map_err(|_| {
            failed(
                DOING,
                format!("the number of the last flush has {} bytes, not 8", bytes.len()),
            )
        }),
    }
}

fn markers(db: &DB) -> Result<&ColumnFamily, StorageError> {
    db.cf_handle(DEFAULT_COLUMN_FAMILY_NAME)
        .ok_or_else(|| failed(DOING, "there is no default column family"))
}

fn background_errors(db: &DB) -> Result<u64, StorageError> {
    let errors = db
        .property_int_value(BACKGROUND_ERRORS)
        .map_err(|error| failed(DOING, error))?;
    Ok(errors.unwrap_or(0))
}
