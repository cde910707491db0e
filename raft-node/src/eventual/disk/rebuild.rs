//! A store of which RocksDB cannot read a part makes room for a new one.
//!
//! A file with a block that cannot be read would stop the member later, when RocksDB comes upon it in the background. So
//! what could be read is written to a new directory, which takes the place of the old one. The old one is kept beside
//! it, for whoever wants to know what happened; the one before that goes.
//!
//! ```text
//! eventual           in use
//! eventual.new       being written; of no use unless `eventual` is missing, for it is synced before that is renamed
//! eventual.damaged   out of use
//! ```

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskError, durable_shards};
use crate::eventual::Tier;
use crate::storage::{EntriesError, EntryStore};

/// Goes on where a process died while it renamed.
pub(super) fn finish_interrupted(directory: &Path) -> Result<(), DiskError> {
    let new = beside(directory, ".new");
    if !exists(&new)? {
        return Ok(());
    }
    if exists(directory)? {
        done(&new, fs::remove_dir_all(&new))
    } else {
        done(&new, fs::rename(&new, directory))
    }
}

/// Opens the store; if it is damaged as a whole, an empty one in its place. Returns whether it was.
pub(super) fn open(directory: &Path) -> Result<(EntryStore, bool), DiskError> {
    let failed = |source| DiskError::Storage {
        directory: directory.to_owned(),
        source,
    };
    match EntryStore::open(directory) {
        Ok(store) => Ok((store, false)),
        Err(EntriesError::Failed(error)) => Err(failed(error)),
        Err(EntriesError::Damaged(error)) => {
            tracing::warn!(%error, "the entries on disk cannot be opened");
            put_aside(directory)?;
            match EntryStore::open(directory) {
                Ok(store) => Ok((store, true)),
                Err(EntriesError::Failed(error) | EntriesError::Damaged(error)) => Err(failed(error)),
            }
        }
    }
}

impl Disk {
    /// Writes what is in memory to a new store, which takes the place of this one.
    pub(super) fn rebuilt(self, cluster_id: u64, tier: &Tier) -> Result<Disk, DiskError> {
        let directory = Arc::clone(&self.directory);
        let new = Disk {
            store: Arc::new(open(&beside(&directory, ".new"))?.0),
            directory: Arc::from(beside(&directory, ".new")),
            flushing: Arc::default(),
        };
        new.write_manifest(cluster_id)?;
        for shard in durable_shards() {
            tier.store.lock(shard).all_is_unflushed();
        }
        // Values that are on the disk alone are in the old one.
        new.close_from(tier, &self.store).map_err(new.failed())?;
        // Both are closed while they are renamed.
        drop(self);
        let from = new.directory.clone();
        drop(new);
        put_aside(&directory)?;
        done(&from, fs::rename(&from, &directory))?;
        Ok(Disk {
            store: Arc::new(open(&directory)?.0),
            directory,
            flushing: Arc::default(),
        })
    }
}

fn put_aside(directory: &Path) -> Result<(), DiskError> {
    let damaged = beside(directory, ".damaged");
    if exists(&damaged)? {
        done(&damaged, fs::remove_dir_all(&damaged))?;
    }
    done(directory, fs::rename(directory, &damaged))
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(directory);
    path.push(suffix);
    PathBuf::from(path)
}

fn exists(path: &Path) -> Result<bool, DiskError> {
    path.try_exists().map_err(|source| DiskError::Directory {
        directory: path.to_owned(),
        source,
    })
}

fn done(path: &Path, result: io::Result<()>) -> Result<(), DiskError> {
    result.map_err(|source| DiskError::Directory {
        directory: path.to_owned(),
        source,
    })
}
