//! The engine trait.

use std::ops::{Bound, ControlFlow};
use std::path::Path;

use super::{Batch, Table};

/// What must have happened when a write returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is visible to readers; a crash may lose it, and then everything written after it too.
    Memory,
    /// It, and everything written before it, is on disk.
    Synced,
}

/// The store failed. Nothing that was asked for may be assumed done; the node stops.
#[derive(Debug, thiserror::Error)]
#[error("storage: {doing}: {reason}")]
pub struct StorageError {
    /// What was being done.
    pub doing: &'static str,
    /// What the engine said.
    pub reason: String,
}

/// Stored bytes that are not what they should be: the store is damaged, and the node stops.
pub fn corrupt(doing: &'static str, reason: &dyn std::fmt::Display) -> StorageError {
    StorageError {
        doing,
        reason: reason.to_string(),
    }
}

/// How often a block was read, by where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockReads {
    /// In the cache.
    pub hits: u64,
    /// On the disk.
    pub misses: u64,
}

/// Called for each key and value of a scan; `Break` ends it.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// One moment of the store.
pub trait View {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Visits the keys between the bounds in ascending order (descending if `reverse`).
    fn scan(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError>;
}

/// An ordered key-value store with atomic batches. One writer (apply) and one background cleaner write; anyone reads.
pub trait Engine: View + Send + Sync + 'static {
    /// Writes a batch.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError>;

    /// A consistent view of this moment.
    fn view(&self) -> Box<dyn View + '_>;

    /// Returns when everything written so far is on disk.
    fn flush(&self) -> Result<(), StorageError>;

    /// Makes a copy, on disk and openable on its own, in `directory`, which must not exist. It holds at least what
    /// was written before the call. Writes go on meanwhile.
    fn checkpoint(&self, directory: &Path) -> Result<(), StorageError>;

    /// Bytes on disk, approximately.
    fn disk_bytes(&self) -> u64;

    /// Bytes that the next flush writes, at most; nothing where there is no disk.
    fn unflushed_bytes(&self) -> u64 {
        0
    }

    /// Where reads found what they were after since the store was opened; nothing where there is no such cache.
    fn block_reads(&self) -> BlockReads {
        BlockReads::default()
    }
}
