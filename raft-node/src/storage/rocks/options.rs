//! Settings of RocksDB, and why they are what they are.

use rocksdb::statistics::StatsLevel;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, LogLevel, Options};

use super::super::{StorageError, Table};

pub(super) const BLOCK_CACHE_BYTES_MIN: usize = 1 << 20;
const WRITE_BUFFER_BYTES_MIN: usize = 64 << 10;
const WRITE_BUFFERS_MIN: usize = 2;
const WRITE_BUFFERS_MAX: usize = 16;
const OPEN_FILES_MIN: usize = 32;
const OPEN_FILES_MAX: usize = 65_536;

/// One flush and one compaction at a time: a node shares two cores with its peers' traffic.
const BACKGROUND_JOBS_MAX: i32 = 2;
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
const INFO_LOGS_KEPT: usize = 2;
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// A table that is being made is given to the disk piece by piece, so that a sync of the log waits for one of them at most.
pub(super) const BYTES_PER_SYNC: u64 = 512 << 10;
/// Some 1 % of look-ups of a missing key read a block in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
const LEVELS: usize = 7;
/// Level 0 and the first level below it are rewritten soon: compressing them costs CPU and saves next to nothing.
const LEVELS_UNCOMPRESSED: usize = 2;

/// Settings of a [`RocksEngine`](super::RocksEngine). The defaults serve a node with a gigabyte of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Least recently used blocks, indexes and filters in memory, shared by all tables. Default 64 MiB, at least 1 MiB.
    pub block_cache_bytes: usize,
    /// A table with this much unflushed has all tables flushed. Default 32 MiB, at least 64 KiB.
    pub write_buffer_bytes: usize,
    /// Buffers of a table, those being flushed included; writes wait when all are full. Default 3, from 2 to 16.
    pub write_buffers: usize,
    /// Files held open. Default 512, from 32 to 65,536.
    pub open_files_max: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        RocksOptions {
            block_cache_bytes: 64 << 20,
            write_buffer_bytes: 32 << 20,
            write_buffers: 3,
            open_files_max: 512,
        }
    }
}

impl RocksOptions {
    /// Refuses what RocksDB would otherwise quietly replace by a value of its own.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        within(
            "block_cache_bytes",
            self.block_cache_bytes,
            BLOCK_CACHE_BYTES_MIN,
            usize::MAX,
        )?;
        within(
            "write_buffer_bytes",
            self.write_buffer_bytes,
            WRITE_BUFFER_BYTES_MIN,
            usize::MAX,
        )?;
        within(
            "write_buffers",
            self.write_buffers,
            WRITE_BUFFERS_MIN,
            WRITE_BUFFERS_MAX,
        )?;
        within("open_files_max", self.open_files_max, OPEN_FILES_MIN, OPEN_FILES_MAX)
    }

    /// Of the database as a whole.
    pub(super) fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_paranoid_checks(true);
        options.set_max_background_jobs(BACKGROUND_JOBS_MAX);
        options.set_max_open_files(saturated(self.open_files_max));
        options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
        options.set_bytes_per_sync(BYTES_PER_SYNC);
        options.set_log_level(LogLevel::Warn);
        options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
        options.set_keep_log_file_num(INFO_LOGS_KEPT);
        // Counts, one for each core and without times: what they cost is within the noise of a put.
        options.enable_statistics();
        options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }

    /// Of each table; all share one block cache.
    pub(super) fn tables(&self) -> Vec<ColumnFamilyDescriptor> {
        let cache = Cache::new_lru_cache(self.block_cache_bytes);
        Table::ALL
            .into_iter()
            .map(|table| ColumnFamilyDescriptor::new(table.name(), self.table(table, &cache)))
            .collect()
    }

    fn table(&self, table: Table, cache: &Cache) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        // Indexes and filters count towards the cache: otherwise they would grow with the store and without a bound.
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        if table == Table::Latest {
            // Every put looks up its key first, and a new key is in no file. The other tables are read by range.
            blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        }
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(saturated(self.write_buffers));
        let mut compression = [DBCompressionType::Lz4; LEVELS];
        compression[..LEVELS_UNCOMPRESSED].fill(DBCompressionType::None);
        options.set_compression_per_level(&compression);
        options
    }
}

fn within(setting: &str, value: usize, min: usize, max: usize) -> Result<(), StorageError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let limit = if value < min {
        format!("at least {min}")
    } else {
        format!("at most {max}")
    };
    Err(StorageError {
        doing: "check the settings",
        reason: format!("{setting} is {value}, it must be {limit}"),
    })
}

fn saturated(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
