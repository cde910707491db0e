//! The engine on disk: RocksDB without its log.
//!
//! One column family a [`Table`]. The write-ahead log is off, because the Raft log replays what a crash takes; and
//! `atomic_flush` is on, so that what reaches the disk is always the same prefix of the batches in every table. Both
//! belong together: without the second, a crash could keep the applied index and lose the data.
//!
//! Invariants
//! * No write goes to the write-ahead log. One that did would be replayed on top of newer flushed tables.
//! * Every flush covers every table, and is proved to be over before it is reported.
//! * A checkpoint flushes first: a checkpoint that does not would silently miss the last writes.
//! * An empty range is never handed to RocksDB, which would take the whole batch for invalid.

mod entries;
mod flush;
mod options;

use std::fmt;
use std::fs::{self, File};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::properties::{CUR_SIZE_ALL_MEM_TABLES, LIVE_SST_FILES_SIZE, PropName};
use rocksdb::statistics::Ticker;
use rocksdb::{ColumnFamily, DB, Options, ReadOptions, SnapshotWithThreadMode, WriteBatch, WriteOptions};

pub use entries::{EntriesError, EntryBatch, EntryStore};
pub use options::RocksOptions;

use self::flush::Flushes;
use super::span::Span;
use super::{Batch, BlockReads, Change, Durability, Engine, StorageError, Table, View, Visit};
use crate::failpoints;

/// Told of every read that failed.
pub type OnReadFailure = Arc<dyn Fn(&StorageError) + Send + Sync>;

/// On disk. One process at a time; dropping it flushes.
pub struct RocksEngine {
    db: DB,
    /// What it was opened with has its counts.
    counted: Options,
    directory: PathBuf,
    on_read_failure: Option<OnReadFailure>,
    /// Shared by all point reads, which would otherwise allocate one each.
    read: ReadOptions,
    flushes: Flushes,
}

impl fmt::Debug for RocksEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksEngine")
            .field("directory", &self.directory)
            .finish()
    }
}

impl RocksEngine {
    /// Opens the store in `directory`, which is made if it is missing.
    ///
    /// Fails on settings out of their limits, on a damaged store, and if it is open already, here or elsewhere.
    pub fn open(directory: &Path, options: RocksOptions) -> Result<RocksEngine, StorageError> {
        const DOING: &str = "open the store";
        options.check()?;
        fs::create_dir_all(directory).map_err(|error| failed(DOING, at(directory, error)))?;
        let database = options.database();
        let db = DB::open_cf_descriptors(&database, directory, options.tables())
            .map_err(|error| failed(DOING, open_failure(directory, &error)))?;
        // RocksDB syncs what it writes inside the directory, not the entry that makes the directory itself findable.
        sync_parent(directory, DOING)?;
        Self::over(db, database, directory)
    }

    /// Opens the store in `directory` for looking inside, a checkpoint say. Takes no lock; what would write fails.
    pub fn open_read_only(directory: &Path) -> Result<RocksEngine, StorageError> {
        let mut options = RocksOptions::default();
        // Looking into a checkpoint should not cost what serving from it does.
        options.block_cache_bytes = options::BLOCK_CACHE_BYTES_MIN;
        let mut database = options.database();
        database.create_if_missing(false);
        database.create_missing_column_families(false);
        let db = DB::open_cf_descriptors_read_only(&database, directory, options.tables(), false)
            .map_err(|error| failed("open the store read-only", open_failure(directory, &error)))?;
        Self::over(db, database, directory)
    }

    /// With somebody who is told of reads that fail. Who wrote is told by the write; a read may be anybody's, and what has
    /// failed once will fail again.
    pub fn telling(mut self, on_read_failure: OnReadFailure) -> RocksEngine {
        self.on_read_failure = Some(on_read_failure);
        self
    }

    fn over(db: DB, counted: Options, directory: &Path) -> Result<RocksEngine, StorageError> {
        Ok(RocksEngine {
            flushes: Flushes::of(&db)?,
            on_read_failure: None,
            db,
            counted,
            directory: directory.to_owned(),
            read: checked_reads(),
        })
    }

    fn column_family(&self, table: Table) -> Result<&ColumnFamily, StorageError> {
        self.db
            .cf_handle(table.name())
            .ok_or_else(|| failed("find a table", format!("there is no table {:?}", table.name())))
    }

    fn get_with(&self, table: Table, key: &[u8], read: &ReadOptions) -> Result<Option<Vec<u8>>, StorageError> {
        let column_family = self.column_family(table)?;
        match self.db.get_pinned_cf_opt(column_family, key, read) {
            Ok(value) => Ok(value.map(|pinned| pinned.to_vec())),
            Err(error) => Err(self.read_failed("get", &error)),
        }
    }

    fn scan_with(
        &self,
        table: Table,
        span: Span,
        reverse: bool,
        mut read: ReadOptions,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let column_family = self.column_family(table)?;
        if !span.from.is_empty() {
            read.set_iterate_lower_bound(span.from);
        }
        if let Some(to) = span.to {
            read.set_iterate_upper_bound(to);
        }
        let mut cursor = self.db.raw_iterator_cf_opt(column_family, read);
        if reverse {
            cursor.seek_to_last();
        } else {
            cursor.seek_to_first();
        }
        while let Some((key, value)) = cursor.item() {
            if visit(key, value).is_break() {
                return Ok(());
            }
            if reverse {
                cursor.prev();
            } else {
                cursor.next();
            }
        }
        // A cursor stops at an error just as it does at the end: only its status tells the two apart.
        cursor.status().map_err(|error| self.read_failed("scan", &error))
    }

    fn read_failed(&self, doing: &'static str, error: &rocksdb::Error) -> StorageError {
        let error = failed(doing, at(&self.directory, error));
        if let Some(tell) = &self.on_read_failure {
            tell(&error);
        }
        error
    }

    /// Sum of a property over all tables; a table that does not tell counts as nothing.
    fn bytes_of(&self, property: &PropName) -> u64 {
        let of = |table| {
            let column_family = self.column_family(table).ok()?;
            self.db.property_int_value_cf(column_family, property).ok().flatten()
        };
        Table::ALL.into_iter().filter_map(of).sum()
    }

    fn encode(&self, batch: Batch) -> Result<WriteBatch, StorageError> {
        let mut encoded = WriteBatch::default();
        // A column family is found by its name: once for each table here, not for each row.
        let mut found = [None; Table::ALL.len()];
        let mut of = |table: Table| match found[table as usize] {
            Some(column_family) => Ok(column_family),
            None => self
                .column_family(table)
                .inspect(|column_family| found[table as usize] = Some(*column_family)),
        };
        for change in batch.changes {
            match change {
                Change::Put { table, key, value } => encoded.put_cf(of(table)?, key, value),
                Change::Delete { table, key } => encoded.delete_cf(of(table)?, key),
                Change::DeleteRange { table, from, to } if from < to => {
                    encoded.delete_range_cf(of(table)?, from, to);
                }
                Change::DeleteRange { .. } => {}
            }
        }
        Ok(encoded)
    }
}

impl View for RocksEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.get_with(table, key, &self.read)
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        match Span::new(from, to) {
            Some(span) => self.scan_with(table, span, reverse, checked_reads(), visit),
            None => Ok(()),
        }
    }
}

impl Engine for RocksEngine {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        if failpoints::hit("state-write") {
            return Err(failed("write", failpoints::injected("state-write")));
        }
        if !batch.is_empty() {
            let mut options = WriteOptions::default();
            options.disable_wal(true);
            self.db
                .write_opt(self.encode(batch)?, &options)
                .map_err(|error| failed("write a batch", error))?;
        }
        match durability {
            Durability::Memory => Ok(()),
            Durability::Synced => self.flush(),
        }
    }

    fn view(&self) -> Box<dyn View + '_> {
        let snapshot = self.db.snapshot();
        let mut read = checked_reads();
        read.set_snapshot(&snapshot);
        Box::new(RocksView {
            engine: self,
            read,
            snapshot,
        })
    }

    fn flush(&self) -> Result<(), StorageError> {
        if failpoints::hit("state-flush") {
            return Err(failed("flush", failpoints::injected("state-flush")));
        }
        self.flushes.flush(&self.db)
    }

    fn checkpoint(&self, directory: &Path) -> Result<(), StorageError> {
        const DOING: &str = "make a checkpoint";
        // RocksDB flushes here too, but need not wait until that is done: see `flush`.
        self.flush()?;
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(directory))
            .map_err(|error| failed(DOING, at(directory, error)))?;
        sync_parent(directory, DOING)
    }

    fn disk_bytes(&self) -> u64 {
        self.bytes_of(LIVE_SST_FILES_SIZE) + self.unflushed_bytes()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.bytes_of(CUR_SIZE_ALL_MEM_TABLES)
    }

    fn block_reads(&self) -> BlockReads {
        BlockReads {
            hits: self.counted.get_ticker_count(Ticker::BlockCacheHit),
            misses: self.counted.get_ticker_count(Ticker::BlockCacheMiss),
        }
    }
}

/// A RocksDB snapshot.
struct RocksView<'e> {
    engine: &'e RocksEngine,
    /// Points into `snapshot`; dropped first, because fields drop in the order of their declaration.
    read: ReadOptions,
    snapshot: SnapshotWithThreadMode<'e, DB>,
}

impl View for RocksView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.engine.get_with(table, key, &self.read)
    }

    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let Some(span) = Span::new(from, to) else {
            return Ok(());
        };
        let mut read = checked_reads();
        read.set_snapshot(&self.snapshot);
        self.engine.scan_with(table, span, reverse, read, visit)
    }
}

/// Checksums are verified by default; said here so that no default can change it.
fn checked_reads() -> ReadOptions {
    let mut read = ReadOptions::default();
    read.set_verify_checksums(true);
    read
}

fn sync_parent(directory: &Path, doing: &'static str) -> Result<(), StorageError> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(|error| failed(doing, at(parent, error)))
}

/// What RocksDB says of the list of tables also when it was one of the tables that could not be read.
const LIST_SUSPECTED: &str = "may be corrupted";

/// RocksDB reports a taken lock as an I/O error like any other; only its words tell which.
fn open_failure(directory: &Path, error: &rocksdb::Error) -> String {
    let said = error.to_string();
    let directory = directory.display();
    if said.contains("lock hold by current process") {
        format!("{directory} is already open in this process")
    } else if said.contains("While lock file") {
        format!("{directory} is used by another process ({said})")
    } else if said.contains("MANIFEST") && said.contains(LIST_SUSPECTED) {
        format!("{directory}: {said} (or one of the tables that it lists, {directory}/*.sst)")
    } else {
        format!("{directory}: {said}")
    }
}

fn at(path: &Path, error: impl fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn failed(doing: &'static str, reason: impl fmt::Display) -> StorageError {
    StorageError {
        doing,
        reason: reason.to_string(),
    }
}
