//! The store as openraft and a power failure see it.

mod crash;
mod damage;
mod faults;
mod model;
mod reading;
mod reclaim;
mod suite;
mod write_ahead;

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftLogStorageExt};

use super::{LogOptions, LogStore, LossyDisk};
use crate::consensus::{Entry, LogId, TypeConfig, Vote};
use crate::state_machine::Group;

fn id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

/// An entry of some 100 bytes that says which it is.
fn entry(term: u64, index: u64) -> Entry {
    let text = format!("{term}/{index} {}", "x".repeat(90));
    Entry {
        log_id: id(term, index),
        payload: EntryPayload::Normal(Group::from_bytes(Bytes::from(text))),
    }
}

fn entries(term: u64, indexes: std::ops::Range<u64>) -> Vec<Entry> {
    indexes.map(|index| entry(term, index)).collect()
}

/// Several segments after a few dozen entries.
fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 4096,
        tail_bytes: 0,
        ..LogOptions::default()
    }
}

fn open(disk: &LossyDisk) -> LogStore {
    LogStore::open(disk.clone(), small()).unwrap()
}

/// Appends and returns when it is acknowledged.
async fn append(store: &mut LogStore, entries: Vec<Entry>) {
    store.blocking_append(entries).await.unwrap();
}

/// Appends and does not wait.
async fn append_and_forget(store: &mut LogStore, entries: Vec<Entry>) {
    store.append(entries, IOFlushed::noop()).await.unwrap();
}

/// Every entry of the log.
async fn all(store: &mut LogStore) -> Vec<Entry> {
    store.try_get_log_entries(..).await.unwrap()
}

fn votes(term: u64) -> Vote {
    Vote::new_committed(term, 1)
}
