//! Values come from the disk.

use quorate_eventual::{Cold, Fetched, Shard, ShardNumber};

use crate::blocking::blocking;
use crate::eventual::Tier;
use crate::eventual::disk::Disk;

/// So often it is tried without holding the lock of the shard: what is looked for may be superseded meanwhile, and other values
/// may have left the memory.
pub(in crate::eventual) const UNLOCKED_TRIES: usize = 3;

/// More rows than this are not read while other calls wait for the thread.
const INLINE_MAX: usize = 4;

/// A value that is on this member's disk alone cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a value that is on this member's disk alone cannot be read, so that the member stops and gets it from another when it \
     starts again: {reason}"
)]
pub struct LostValue {
    reason: String,
}

impl Tier {
    /// Brings these values, but for those that are superseded by now. The shard must not be locked by the caller.
    pub(in crate::eventual) fn fetch(
        &self,
        number: ShardNumber,
        cold: &[Cold],
        fetched: &mut Fetched,
    ) -> Result<(), LostValue> {
        let missing = self.fetch_rows(number, cold, fetched)?;
        if missing.is_empty() {
            return Ok(());
        }
        self.all_are_superseded(number, &self.store.lock(number), &missing)
    }

    /// The same for a caller that holds the lock of the shard, so that all of them are there afterwards.
    pub(in crate::eventual) fn fetch_locked(
        &self,
        number: ShardNumber,
        shard: &Shard,
        cold: &[Cold],
        fetched: &mut Fetched,
    ) -> Result<(), LostValue> {
        let missing = self.fetch_rows(number, cold, fetched)?;
        self.all_are_superseded(number, shard, &missing)
    }

    /// Returns those whose rows do not have them.
    fn fetch_rows<'c>(
        &self,
        number: ShardNumber,
        cold: &'c [Cold],
        fetched: &mut Fetched,
    ) -> Result<Vec<&'c Cold>, LostValue> {
        let wanted = cold.iter().filter(|cold| fetched.get(cold.dot).is_none());
        let wanted: Vec<&Cold> = wanted.collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let disk = self.disk();
        let disk = disk.ok_or_else(|| self.lost(number, String::from("the store of entries is closed")))?;
        let mut bring = || {
            let mut missing = Vec::new();
            for cold in &wanted {
                let stored = disk.stored(number, &cold.key, self.store.actors());
                let stored = stored.map_err(|reason| self.lost(number, reason))?;
                if !stored.is_some_and(|stored| fetched.take(&stored, cold.dot)) {
                    missing.push(*cold);
                }
            }
            Ok(missing)
        };
        match wanted.len() {
            0..=INLINE_MAX => bring(),
            _ => blocking(bring),
        }
    }

    /// A row that was read after a value left the memory has it until it is superseded.
    fn all_are_superseded(&self, number: ShardNumber, shard: &Shard, missing: &[&Cold]) -> Result<(), LostValue> {
        match missing.iter().find(|cold| shard.is_cold(cold)) {
            None => Ok(()),
            Some(cold) => Err(self.lost(number, format!("the row of {:?} is not there or lacks it", cold.key))),
        }
    }

    /// The member must not go on.
    pub(super) fn lost(&self, number: ShardNumber, reason: String) -> LostValue {
        tracing::error!(shard = number.get(), %reason, "a value that is on the disk alone cannot be read");
        let lost = LostValue { reason };
        self.set_lost(&lost);
        lost
    }

    /// The entries on disk, while they are open.
    pub(super) fn disk(&self) -> Option<Disk> {
        self.shelf().and_then(|shelf| shelf.disk())
    }
}
