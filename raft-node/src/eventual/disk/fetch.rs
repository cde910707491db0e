//! Single rows, for values that are on the disk alone.

use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use quorate_eventual::row::{StoredEntry, entry_key};
use quorate_eventual::{Actors, Fetched, Key, ShardNumber, Unflushed};

use super::{Disk, Flushing};
use crate::storage::{EntryStore, StorageError};

/// The way from the shards to their rows. It does not keep the store open.
#[derive(Debug)]
pub(in crate::eventual) struct Shelf {
    store: Weak<EntryStore>,
    directory: Arc<Path>,
    flushing: Arc<Mutex<Flushing>>,
}

impl Shelf {
    pub(in crate::eventual) fn disk(&self) -> Option<Disk> {
        Some(Disk {
            store: self.store.upgrade()?,
            directory: Arc::clone(&self.directory),
            flushing: Arc::clone(&self.flushing),
        })
    }
}

impl Disk {
    pub(super) fn shelf(&self) -> Shelf {
        Shelf {
            store: Arc::downgrade(&self.store),
            directory: Arc::clone(&self.directory),
            flushing: Arc::clone(&self.flushing),
        }
    }

    /// Writes behind the back of everybody.
    #[cfg(test)]
    pub(in crate::eventual) fn write_batch(&self, batch: crate::storage::EntryBatch) {
        self.store.write(batch).unwrap();
    }

    /// The row of an entry; none if there is none. An error says why it cannot be read.
    pub(in crate::eventual) fn stored(
        &self,
        shard: ShardNumber,
        key: &Key,
        actors: &Actors,
    ) -> Result<Option<StoredEntry>, String> {
        stored(&self.store, shard, key, actors)
    }
}

/// Values that a row needs though they did not change, from the rows as they are in `store`.
pub(super) fn fill(
    store: &EntryStore,
    shard: ShardNumber,
    unflushed: &mut Unflushed,
    actors: &Actors,
) -> Result<(), StorageError> {
    let cold = unflushed.cold();
    if cold.is_empty() {
        return Ok(());
    }
    let failed = |reason| StorageError {
        doing: "bring a value that is on the disk alone to the row it stays in",
        reason,
    };
    let mut fetched = Fetched::default();
    for cold in &cold {
        let stored = stored(store, shard, &cold.key, actors).map_err(failed)?;
        // Rows are written one after the other: the newest has what had left the memory when this was taken.
        if !stored.is_some_and(|stored| fetched.take(&stored, cold.dot)) {
            return Err(failed(format!("the row of {:?} is not there or lacks it", cold.key)));
        }
    }
    unflushed.fill(&fetched);
    Ok(())
}

fn stored(store: &EntryStore, shard: ShardNumber, key: &Key, actors: &Actors) -> Result<Option<StoredEntry>, String> {
    let row = store.get(&entry_key(shard, key.bytes()));
    let Some(row) = row.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let stored = StoredEntry::read(shard, key.clone(), &row, actors);
    stored.map(Some).map_err(|error| error.to_string())
}
