//! The medium below the log store.

use std::ops::Range;

use super::{LogError, LogRecord};
use crate::consensus::{Entry, LogId, Vote};

/// What the medium held when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Newest vote.
    pub vote: Option<Vote>,
    /// Newest committed position, never past `last`.
    pub committed: Option<LogId>,
    /// Entries up to here are gone.
    pub purged: Option<LogId>,
    /// Index of the oldest entry, if there is one.
    pub first_index: Option<u64>,
    /// The newest entry, or else `purged`.
    pub last: Option<LogId>,
}

/// A medium that keeps the stream. It has one user, the writer thread, which stops at the first error.
pub trait LogDevice: Send + 'static {
    /// Reads back what there is, and makes all of it durable. Called once, before anything else.
    fn recover(&mut self) -> Result<Recovered, LogError>;

    /// Writes `records` in this order and makes their entries readable. Returns the bytes written. Durable only after
    /// the next [`sync`](Self::sync).
    fn write(&mut self, records: &[LogRecord]) -> Result<u64, LogError>;

    /// Makes everything written durable.
    fn sync(&mut self) -> Result<(), LogError>;

    /// Gives back some space of what was purged, as much as takes milliseconds; true if there may be more. Nothing is given
    /// back for a purge that is not durable.
    fn reclaim(&mut self) -> Result<bool, LogError>;

    /// Reads entries, beside the writer.
    fn reader(&self) -> std::sync::Arc<dyn EntryReader>;

    /// Space taken.
    fn disk_bytes(&self) -> u64;
}

/// Reads entries from the medium, from any thread.
pub trait EntryReader: Send + Sync + 'static {
    /// Entries from the start of `indexes` on, consecutive, with their sizes: up to its end, up to the first that the
    /// medium lacks, or until `bytes_max` is reached. The first is returned whatever its size.
    fn read(&self, indexes: Range<u64>, bytes_max: u64) -> Result<Vec<Entry>, LogError>;
}
