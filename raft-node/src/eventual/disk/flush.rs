//! What changed, to the disk.

use quorate_eventual::row::Rows;

use super::fetch::fill;
use super::{Disk, durable_shards};
use crate::eventual::Tier;
use crate::failpoints;
use crate::storage::{EntryBatch, EntryStore, StorageError};

impl Disk {
    /// Writes what has changed in every shard since the last time. After an error nothing is written any more: what was taken
    /// is not taken again.
    pub fn flush(&self, tier: &Tier) -> Result<(), StorageError> {
        self.unless_failed(|| self.write_changes(tier, &self.store))
    }

    /// Returns when everything that was flushed is on disk. After an error it fails for ever: what the system could not write
    /// it may have forgotten.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.unless_failed(|| self.store.sync())
    }

    fn unless_failed(&self, work: impl FnOnce() -> Result<(), StorageError>) -> Result<(), StorageError> {
        let mut flushing = self.flushing.lock();
        if flushing.failed {
            return Err(StorageError {
                doing: "write entries",
                reason: String::from("a write or a sync before it failed"),
            });
        }
        let done = work();
        flushing.failed = done.is_err();
        done
    }

    fn write_changes(&self, tier: &Tier, values: &EntryStore) -> Result<(), StorageError> {
        if failpoints::hit("eventual-flush") {
            return Err(StorageError {
                doing: "write entries",
                reason: failpoints::injected("eventual-flush").to_string(),
            });
        }
        for shard in durable_shards() {
            // The lock is held for the copying of pointers, not while anything is encoded or written.
            let Some(mut unflushed) = tier.store.lock(shard).take_unflushed() else {
                continue;
            };
            fill(values, shard, &mut unflushed, tier.store.actors())?;
            self.write(&Rows::of(shard, &unflushed, tier.store.actors()))?;
        }
        Ok(())
    }

    /// Flushes and syncs: nothing is lost by a stop that was planned.
    pub fn close(&self, tier: &Tier) -> Result<(), StorageError> {
        self.flush(tier)?;
        self.sync()
    }

    /// The same, of a tier whose values that are on the disk alone are in `values`.
    pub(super) fn close_from(&self, tier: &Tier, values: &EntryStore) -> Result<(), StorageError> {
        self.unless_failed(|| self.write_changes(tier, values))?;
        self.sync()
    }

    fn write(&self, rows: &Rows) -> Result<(), StorageError> {
        let mut batch = EntryBatch::default();
        batch.put(&rows.head.0, &rows.head.1);
        for (key, row) in &rows.puts {
            batch.put(key, row);
        }
        for key in &rows.deletes {
            batch.delete(key);
        }
        self.store.write(batch)
    }
}
