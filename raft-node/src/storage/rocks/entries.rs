//! The entries of the eventual tier on disk: RocksDB with its log.
//!
//! Unlike the tables of the strong tier, nothing replays what a crash takes, so the write-ahead log is on. It is synced by
//! request alone: what a crash leaves is a prefix of the batches, and it includes everything before the last
//! [`EntryStore::sync`]. A process that is killed loses nothing of what was written, only a machine that is.
//!
//! There is one column family, so that nothing has to be kept even between two.

use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, ErrorKind, LogLevel, Options, WriteBatch,
};

use super::super::{StorageError, Visit};
use super::options::BYTES_PER_SYNC;
use super::{at, checked_reads, failed, open_failure, sync_parent};

/// Rows are read once, at the start, and values that were moved out of memory.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
const WRITE_BUFFERS_MAX: i32 = 3;
const OPEN_FILES_MAX: i32 = 256;
const BACKGROUND_JOBS_MAX: i32 = 2;
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
const INFO_LOGS_KEPT: usize = 2;
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// What a scan reads ahead: it goes through everything, once.
const READAHEAD_BYTES: usize = 2 << 20;

/// Why the store could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// What it holds is damaged, and will be the next time.
    #[error("{0}")]
    Damaged(StorageError),
    /// It may be read another time: it is in use, or the disk refuses.
    #[error("{0}")]
    Failed(StorageError),
}

impl EntriesError {
    fn of(kind: &ErrorKind, failure: StorageError) -> Self {
        match kind {
            ErrorKind::Corruption => EntriesError::Damaged(failure),
            _ => EntriesError::Failed(failure),
        }
    }
}

/// Rows in the order of their keys, on disk. One process at a time.
pub struct EntryStore {
    db: DB,
    directory: PathBuf,
}

/// What is written together or not at all.
#[derive(Default)]
pub struct EntryBatch(WriteBatch);

impl fmt::Debug for EntryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryStore")
            .field("directory", &self.directory)
            .finish()
    }
}

impl EntryBatch {
    /// Writes a row.
    pub fn put(&mut self, key: &[u8], row: &[u8]) {
        self.0.put(key, row);
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }

    /// Deletes the rows from `from` on, up to but not including `to`.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        if from < to {
            self.0.delete_range(from, to);
        }
    }
}

impl EntryStore {
    /// Opens the store in `directory`, which is made if it is missing.
    pub fn open(directory: &Path) -> Result<EntryStore, EntriesError> {
        const DOING: &str = "open the entries";
        fs::create_dir_all(directory).map_err(|error| EntriesError::Failed(failed(DOING, at(directory, error))))?;
        let db = DB::open(&options(), directory)
            .map_err(|error| EntriesError::of(&error.kind(), failed(DOING, open_failure(directory, &error))))?;
        sync_parent(directory, DOING).map_err(EntriesError::Failed)?;
        Ok(EntryStore {
            db,
            directory: directory.to_owned(),
        })
    }

    /// A store of which every write fails.
    #[cfg(test)]
    pub fn open_read_only(directory: &Path) -> Result<EntryStore, StorageError> {
        let db = DB::open_for_read_only(&options(), directory, false)
            .map_err(|error| failed("open the entries read-only", open_failure(directory, &error)))?;
        Ok(EntryStore {
            db,
            directory: directory.to_owned(),
        })
    }

    /// Writes a batch. It survives the end of the process, and after the next [`EntryStore::sync`] that of the machine.
    pub fn write(&self, batch: EntryBatch) -> Result<(), StorageError> {
        self.db
            .write(batch.0)
            .map_err(|error| failed("write a batch of entries", error))
    }

    /// Returns when everything written so far is on disk.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.db
            .flush_wal(true)
            .map_err(|error| failed("sync the entries", error))
    }

    /// The row of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EntriesError> {
        self.db
            .get_opt(key, &checked_reads())
            .map_err(|error| EntriesError::of(&error.kind(), failed("read an entry", error)))
    }

    /// Visits the rows from `from` on, up to but not including `to`, in the order of their keys.
    pub fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), EntriesError> {
        if from >= to {
            return Ok(());
        }
        let mut read = checked_reads();
        read.set_iterate_lower_bound(from);
        read.set_iterate_upper_bound(to);
        read.set_readahead_size(READAHEAD_BYTES);
        // What is read once must not push out what is read often.
        read.fill_cache(false);
        let mut cursor = self.db.raw_iterator_opt(read);
        cursor.seek_to_first();
        while let Some((key, row)) = cursor.item() {
            if visit(key, row) == ControlFlow::Break(()) {
                return Ok(());
            }
            cursor.next();
        }
        cursor
            .status()
            .map_err(|error| EntriesError::of(&error.kind(), failed("scan the entries", error)))
    }
}

fn options() -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    blocks.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.create_if_missing(true);
    options.set_paranoid_checks(true);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    // A torn end of the log is cut off, and nothing behind it is used: a prefix, which is what this store promises.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS_MAX);
    options.set_max_background_jobs(BACKGROUND_JOBS_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_keep_log_file_num(INFO_LOGS_KEPT);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}
