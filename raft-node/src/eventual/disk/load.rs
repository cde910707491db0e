//! Every row into memory.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_eventual::ShardNumber;
use quorate_eventual::row::{self, Stored, Unreadable};

use super::{Disk, DiskError, durable_shards};
use crate::eventual::{Tier, limits};
use crate::failpoints;
use crate::mvcc::DomainTable;
use crate::storage::{EntriesError, EntryBatch};

/// Decoding takes a core; more than these would wait for each other's disk.
const THREADS_MAX: usize = 4;

/// What a member found on its disk when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Entries that are in memory now.
    pub entries: u64,
    /// Shards that could not be read. They are empty, and peers bring them.
    pub shards_dropped: usize,
    /// How long it took.
    pub duration: Duration,
}

impl Loaded {
    pub(super) fn log(&self, was_damaged: bool, dropped: &[ShardNumber]) {
        let (entries, duration_ms) = (self.entries, self.duration.as_millis());
        if self.shards_dropped == 0 {
            tracing::info!(entries, duration_ms, "entries of the eventual tier are in memory");
        } else {
            let shards: Vec<u16> = dropped.iter().map(|shard| shard.get()).collect();
            tracing::warn!(
                entries,
                duration_ms,
                shards_dropped = self.shards_dropped,
                ?shards,
                whole_store = was_damaged,
                "entries on disk are damaged; what could not be read comes from the other members"
            );
        }
    }
}

/// What all shards found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub entries: u64,
    pub dropped: Vec<ShardNumber>,
    /// RocksDB itself could not read something: it would fail again, in the background.
    pub unreadable_store: bool,
}

/// What becomes of one shard.
enum ShardFound {
    Entries(u64),
    Damaged { store: bool },
}

impl Disk {
    /// Fills the shards, which are all empty, and begins to keep what changes in them.
    pub(super) fn load(&self, tier: &Tier, domains: &DomainTable) -> Result<Found, DiskError> {
        let _ = failpoints::hit("eventual-load");
        let shards: Vec<ShardNumber> = durable_shards().collect();
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS_MAX));
        let work = || {
            let mut found = Found::default();
            while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.load_shard(tier, *shard, domains)? {
                    ShardFound::Entries(entries) => found.entries += entries,
                    ShardFound::Damaged { store } => {
                        self.forget(*shard)?;
                        found.dropped.push(*shard);
                        found.unreadable_store |= store;
                    }
                }
            }
            Ok(found)
        };
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        let mut all = Found::default();
        for part in parts {
            let part = match part {
                Ok(part) => part?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            all.entries += part.entries;
            all.dropped.extend(part.dropped);
            all.unreadable_store |= part.unreadable_store;
        }
        Ok(all)
    }

    fn load_shard(&self, tier: &Tier, number: ShardNumber, domains: &DomainTable) -> Result<ShardFound, DiskError> {
        let actors = tier.store.actors();
        let (from, to) = row::span(number);
        let mut stored = Stored::new(number);
        let mut unreadable = None;
        let scanned = self
            .store
            .scan(&from, &to, &mut |key, row| match stored.take(key, row, actors) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    unreadable = Some(error);
                    ControlFlow::Break(())
                }
            });
        match scanned {
            Ok(()) => {}
            Err(EntriesError::Damaged(error)) => {
                tracing::warn!(shard = number.get(), %error, "a shard on disk is damaged");
                return Ok(ShardFound::Damaged { store: true });
            }
            Err(EntriesError::Failed(error)) => return Err(self.failed()(error)),
        }
        let cold_domains = limits::full_of_values(tier, domains);
        let mut shard = tier.store.lock(number);
        let restored = unreadable.map_or(Ok(()), Err).and_then(|()| match stored.finish()? {
            Some(stored) => shard.restore(stored, &cold_domains),
            None => Ok(()),
        });
        // Not before: what was just read is on disk.
        shard.track_unflushed();
        match restored {
            Ok(()) => Ok(ShardFound::Entries(shard.len() as u64)),
            Err(Unreadable::Damaged(damaged)) => {
                tracing::warn!(shard = number.get(), %damaged, "a shard on disk is damaged");
                Ok(ShardFound::Damaged { store: false })
            }
            Err(source) => Err(DiskError::Rows {
                directory: self.directory.to_path_buf(),
                source,
            }),
        }
    }

    /// The rows of a shard that cannot be used. What is written of it from now on must not stand beside them.
    fn forget(&self, shard: ShardNumber) -> Result<(), DiskError> {
        let (from, to) = row::span(shard);
        let mut batch = EntryBatch::default();
        batch.delete_range(&from, &to);
        self.store.write(batch).map_err(self.failed())
    }
}
