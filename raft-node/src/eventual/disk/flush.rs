//! What changed, to the disk.

use quorate_eventual::row::Rows;

use super::{Disk, durable_shards};
use crate::eventual::Tier;
use crate::storage::{EntryBatch, StorageError};

impl Disk {
    /// Writes what has changed in every shard since the last time. After an error nothing may be written any more: what was
    /// taken is not taken again.
    pub fn flush(&self, tier: &Tier) -> Result<(), StorageError> {
        let _one_at_a_time = self.flushing.lock();
        for shard in durable_shards() {
            // The lock is held for the copying of pointers, not while anything is encoded or written.
            let Some(unflushed) = tier.store.lock(shard).take_unflushed() else {
                continue;
            };
            self.write(&Rows::of(shard, &unflushed, tier.store.actors()))?;
        }
        Ok(())
    }

    /// Returns when everything that was flushed is on disk.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.store.sync()
    }

    /// Flushes and syncs: nothing is lost by a stop that was planned.
    pub fn close(&self, tier: &Tier) -> Result<(), StorageError> {
        self.flush(tier)?;
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
