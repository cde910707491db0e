//! The ordered store below everything replicated, behind one trait.
//!
//! Two engines: [`RocksEngine`] on disk, and [`MemoryEngine`], which can lose what was not synced and so serves the
//! crash tests. Apart from both, [`EntryStore`] holds what the eventual tier keeps on disk. This is the only folder that
//! imports the `rocksdb` crate.
//!
//! Invariants
//! * A [`Batch`] is written whole or not at all, across tables and across crashes.
//! * What survives a crash is a prefix of the batches in the order in which they were written, and it includes
//!   everything written before the last [`Engine::flush`] (or the last batch with [`Durability::Synced`]).
//! * A [`View`] sees one moment: no batch partly, and none that was written after it was taken.
//! * A range that is empty or runs backwards holds no key: reading it finds nothing, deleting it changes nothing.
//!
//! Deliberately absent: transactions, merge operators, a log of its own (the Raft log replays what a crash took), and
//! any idea of what keys and values mean.

mod batch;
mod engine;
mod memory;
mod rocks;
mod span;
mod stage;
mod table;

pub use batch::{Batch, Change};
pub use engine::{BlockReads, Durability, Engine, StorageError, View, Visit, corrupt};
pub use memory::MemoryEngine;
pub use rocks::{EntriesError, EntryBatch, EntryStore, OnReadFailure, RocksEngine, RocksOptions};
pub use stage::Stage;
pub use table::Table;

#[cfg(test)]
mod tests;
