//! What the durable domains of the tier have on disk: written behind memory, read back when the process starts.
//!
//! ```text
//! load.rs      every row into memory, at the start
//! flush.rs     what changed, one batch a shard; a sync once a second
//! fetch.rs     single rows, of values that are on the disk alone
//! rebuild.rs   a store that cannot be read any more makes room for a new one
//! manifest.rs  whose store it is
//! ```
//!
//! Invariants
//! * A batch holds what changed in one shard, and the shard's clock, of the same moment. What a crash leaves is a prefix of
//!   the batches: every shard is as it was some time before, and its clock covers nothing that is not there.
//! * A shard of which one row cannot be read starts empty, with an empty clock, and a peer brings it. It is never used in
//!   part.
//! * Nothing of a process is read from the disk by that process: who it is was drawn before.
//! * Shards of volatile domains are not here.
//!
//! What is written but not yet on disk is lost with the process, unless a peer has it: see [`EventualOptions`].
//!
//! [`EventualOptions`]: super::EventualOptions

mod fetch;
mod flush;
mod load;
mod manifest;
mod rebuild;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_eventual::ShardNumber;
use quorate_eventual::row::Unreadable;
use tokio::sync::watch;

use super::Tier;
use crate::codec::CodecError;
use crate::mvcc::DomainTable;
use crate::storage::{EntryStore, StorageError};

pub(super) use fetch::Shelf;
pub use load::Loaded;

/// With so many bytes that are not on disk, no interval is waited for.
const FLUSH_BYTES: usize = 4 << 20;
/// What was written is synced this often.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// In each flush interval, it is looked so many times whether there is enough to flush before its end.
const LOOKS_IN_AN_INTERVAL: u32 = 4;
/// After a flush there is none for so many times as long as it took: keys that are written over and over would otherwise
/// go to the disk as often as it can take them, and that is most of what a write costs.
const PAUSE_PER_FLUSH: u32 = 9;
/// But no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why the entries on disk cannot be used. The member does not start, for it could not say what it has.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The disk, or what RocksDB makes of it.
    #[error("{directory}: {source}")]
    Storage {
        /// Where.
        directory: PathBuf,
        /// What happened.
        source: StorageError,
    },
    /// A directory could not be renamed or removed.
    #[error("{directory}: {source}")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The directory was copied from a member of another cluster.
    #[error(
        "{directory} holds entries of cluster {is:016x}, and this member is of cluster {wanted:016x}: remove that directory \
         if it was copied here by mistake"
    )]
    Cluster {
        /// Where.
        directory: PathBuf,
        /// Whose it is.
        is: u64,
        /// Whose it should be; 0: this member is of none yet.
        wanted: u64,
    },
    /// The directory was written with another number of shards.
    #[error("{directory} holds {is} shards, and this build has {wanted}: start the build that wrote it")]
    Shards {
        /// Where.
        directory: PathBuf,
        /// How many it has.
        is: u16,
        /// How many it should have.
        wanted: u16,
    },
    /// What says whose it is cannot be read.
    #[error("{directory}: its manifest cannot be read: {source}")]
    Manifest {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: CodecError,
    },
    /// Rows are not damaged and yet cannot be used.
    #[error("{directory}: {source}")]
    Rows {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: Unreadable,
    },
}

/// The entries on disk. A clone is the same.
#[derive(Clone, Debug)]
pub struct Disk {
    store: Arc<EntryStore>,
    directory: Arc<Path>,
    /// One flush at a time: batches of a shard must be written in the order in which they were taken.
    flushing: Arc<Mutex<Flushing>>,
}

impl Disk {
    /// Opens the entries in `directory`, which is made if it is missing, and puts all of them in the shards of `tier`. From
    /// then on the shards keep what changes for [`Disk::run`].
    ///
    /// To be called before anything is written to the tier, and before it talks to peers. `cluster_id` is 0 for a member
    /// that is of no cluster yet; a directory that says of which cluster it is is refused then. Values of `domains` that keep
    /// what is too much on the disk alone stay there. Blocks: a million small entries take seconds.
    pub fn open(
        directory: &Path,
        cluster_id: u64,
        tier: &Tier,
        domains: &DomainTable,
    ) -> Result<(Disk, Loaded), DiskError> {
        let began = tier.monotonic();
        rebuild::finish_interrupted(directory)?;
        let (store, was_damaged) = rebuild::open(directory)?;
        let mut disk = Disk {
            store: Arc::new(store),
            directory: Arc::from(directory),
            flushing: Arc::default(),
        };
        disk.check_manifest(cluster_id)?;
        let mut found = disk.load(tier, domains)?;
        if found.unreadable_store {
            disk = disk.rebuilt(cluster_id, tier)?;
        }
        let loaded = Loaded {
            entries: found.entries,
            shards_dropped: if was_damaged { ALL_SHARDS } else { found.dropped.len() },
            duration: tier.monotonic().saturating_sub(began),
        };
        found.dropped.sort_unstable();
        loaded.log(was_damaged, &found.dropped);
        tier.set_shelf(disk.shelf());
        Ok((disk, loaded))
    }

    /// Writes what changes, until the member ends. A failure to write or to sync is told to `failed`, and the member must not
    /// go on: from then on nothing more reaches the disk.
    pub async fn run(self, tier: Arc<Tier>, failed: watch::Sender<Option<String>>) {
        let interval = tier.options.flush_interval;
        let (mut flushed_at, mut synced_at) = (tier.monotonic(), tier.monotonic());
        let mut pauses_until = flushed_at;
        loop {
            tokio::time::sleep(interval / LOOKS_IN_AN_INTERVAL).await;
            if let Some(lost) = tier.lost_value() {
                failed.send_replace(Some(lost.to_string()));
                return;
            }
            let now = tier.monotonic();
            if now < pauses_until || (now < flushed_at + interval && unflushed_bytes(&tier) < FLUSH_BYTES) {
                continue;
            }
            flushed_at = now;
            let sync = now >= synced_at + SYNC_INTERVAL;
            if sync {
                synced_at = now;
            }
            let (disk, of_flush) = (self.clone(), Arc::clone(&tier));
            let work = move || {
                disk.flush(&of_flush)?;
                let flushed = of_flush.monotonic();
                // A sync waits for the device and costs no processor: it is not paused for.
                if sync {
                    disk.sync().map(|()| flushed)
                } else {
                    Ok(flushed)
                }
            };
            let reason = match tokio::task::spawn_blocking(work).await {
                Ok(Ok(flushed)) => {
                    pauses_until = flushed + pause_after(flushed.saturating_sub(now));
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::error!(%reason, "the entries of the eventual tier cannot be written");
            failed.send_replace(Some(reason));
            return;
        }
    }

    fn failed(&self) -> impl Fn(StorageError) -> DiskError + '_ {
        |source| DiskError::Storage {
            directory: self.directory.to_path_buf(),
            source,
        }
    }
}

/// Whether anything may be written yet.
#[derive(Debug, Default)]
struct Flushing {
    /// A batch or a sync failed. What comes after it must not be written: it would stand beside what is missing.
    failed: bool,
}

/// How long nothing is flushed after a flush that took so long.
fn pause_after(flush: Duration) -> Duration {
    (flush * PAUSE_PER_FLUSH).min(PAUSE_MAX)
}

const ALL_SHARDS: usize = quorate_eventual::SHARDS_PER_SET as usize;

/// The shards that are on disk.
fn durable_shards() -> impl Iterator<Item = ShardNumber> {
    ShardNumber::all().filter(|shard| !shard.is_volatile())
}

fn unflushed_bytes(tier: &Tier) -> usize {
    durable_shards()
        .map(|shard| tier.store.lock(shard).unflushed_bytes())
        .sum()
}

#[cfg(test)]
mod tests;
