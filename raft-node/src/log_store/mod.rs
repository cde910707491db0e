//! Votes and entries on disk, in one ordered stream.
//!
//! [`LogStore`] is what openraft appends to and reads from. Behind it one writer thread drains a bounded queue: it
//! writes everything that waits, syncs once, and only then acknowledges. A group therefore grows by itself while a sync
//! runs, and no timer is needed. The newest entries stay in memory for replication and apply; older ones are read
//! back from the medium.
//!
//! ```text
//! append.rs, read.rs (openraft's traits) -> store.rs (state, tail.rs) -> writer.rs -> device.rs -> segment/ -> disk/
//! ```
//!
//! Invariants
//! * Votes, entries, truncations and purges reach the medium in the order in which they were issued.
//! * Nothing is acknowledged before a sync that covers it; a callback is never called with `Ok` after a failure.
//! * What survives a crash is a prefix of the stream, and it includes everything acknowledged.
//! * The first failure is final: every later operation fails, and [`LogStore::failed`] tells the node to stop.
//! * Damage that is not the unfinished end of the log is an error that names file and offset. It is never cut away: a
//!   member that forgets what it acknowledged can lose what the cluster promised.
//!
//! Deliberately absent: repair of damage (the member rejoins as a learner under a new id), compression, and reuse of
//! old segment files (a stale record could then be taken for a new one).

mod append;
mod device;
mod disk;
mod error;
mod metrics;
mod options;
mod payload;
mod read;
mod record;
mod segment;
mod store;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

pub use device::{EntryReader, LogDevice, Recovered};
pub use disk::{Disk, DiskFile, FileDisk, LossyDisk};
pub use error::LogError;
pub use metrics::LogMetrics;
pub use options::LogOptions;
pub use payload::{decode_entry_payload, encode_entry_payload};
pub use record::LogRecord;
pub use segment::SegmentLog;
pub use store::LogStore;
