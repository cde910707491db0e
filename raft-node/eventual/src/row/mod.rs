//! What a disk holds of a shard: one row for its clock, one for each entry.
//!
//! ```text
//! key:    shard: u16 BE | 0                 the head
//!         shard: u16 BE | 1 | key           an entry
//! head:   version: u8 | clock: count, then actor: u64 LE | number each | retired: likewise | pending: likewise
//!         | last moment: u64 LE | entries | digest: u64 LE | crc32c: u32 LE
//! entry:  version: u8 | siblings: count, then actor: u64 LE | number | hlc: u64 LE | strategy: u8 | end in ms | value each
//!         | crc32c: u32 LE
//! ```
//! Numbers are varints unless it says otherwise, a value is a length and bytes. Actors are whole ids: their places mean
//! nothing to the next process. The checksum covers the key of the row and what stands before it, so that a row in a wrong
//! place is noticed as well.
//!
//! The rows of a shard are written together, all of one moment, and they are used together or not at all: a clock must never
//! cover what is not here. So the head says how many entries there are and what their digest is, and whatever does not
//! fit makes the whole shard unreadable.
//!
//! What is not on disk: operations, and values that are kept only for peers. A peer that lacks them gets the state.

mod read;
mod write;

use crate::actor::TooManyActors;
use crate::shard::ShardNumber;
use crate::wire::Damaged;

pub use read::{Stored, StoredEntry, StoredShard};
pub use write::Rows;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
const SHARD_BYTES: usize = 2;
const KIND_HEAD: u8 = 0;
const KIND_ENTRY: u8 = 1;

/// Why rows of a shard cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A checksum is wrong, a row is missing or makes no sense: this shard has to come from a peer.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// They were written by a later build: nothing is damaged, and nothing may be thrown away.
    #[error("a row is of version {0}, which this build does not know: start the build that wrote it, or a later one")]
    Version(u8),
    /// They name more processes than this one can tell apart.
    #[error(transparent)]
    Actors(#[from] TooManyActors),
    /// They hold operations of this very process, which has only begun: its id was not drawn anew.
    #[error("the disk holds operations of the process that has just started: its id was used before")]
    UsedActor,
}

/// Key of a shard's head.
pub fn head_key(shard: ShardNumber) -> Vec<u8> {
    key(shard, KIND_HEAD, &[])
}

/// Key of the row of an entry, whose key has these bytes.
pub fn entry_key(shard: ShardNumber, bytes: &[u8]) -> Vec<u8> {
    key(shard, KIND_ENTRY, bytes)
}

/// From where to where, exclusive, the rows of a shard are.
pub fn span(shard: ShardNumber) -> ([u8; SHARD_BYTES], [u8; SHARD_BYTES]) {
    (shard.get().to_be_bytes(), (shard.get() + 1).to_be_bytes())
}

fn key(shard: ShardNumber, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(SHARD_BYTES + 1 + bytes.len());
    key.extend_from_slice(&shard.get().to_be_bytes());
    key.push(kind);
    key.extend_from_slice(bytes);
    key
}

fn checksum(key: &[u8], row: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), row)
}

#[cfg(test)]
mod tests;
