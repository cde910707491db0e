//! The state machine on RocksDB: puts, gets, locks, queues.

use std::path::Path;
use std::sync::Arc;

use quorate_node::mvcc::{DomainTable, Put};
use quorate_node::state_machine::{Operation, OperationReply, Reader};
use quorate_node::storage::Engine;

use super::{Piece, value};
use crate::scale::locks::{Locks, PAIRS};
use crate::scale::queues::Queues;
use crate::scale::store::Store;
use crate::scale::{Case, GROUP};

/// Keys, all of which exist before anything is counted.
const KEYS: u64 = 1_024;
const VALUE_BYTES: usize = 256;
const DOMAIN: &str = "default";
/// A stride that visits every key, and neighbours never one after the other.
const STRIDE: u64 = 619;
/// Items that stay in the queue.
const QUEUED: u32 = 1_000;

/// Encodes and applies groups of puts.
pub(super) fn apply_puts(directory: &Path) -> Result<Piece, String> {
    let mut store = filled(directory)?;
    let mut number = 0;
    let step = move || {
        let puts = (0..GROUP).map(|_| {
            number = (number + STRIDE) % KEYS;
            Operation::Put(put(number))
        });
        let (replies, _) = store.apply(puts.collect())?;
        match replies.iter().all(|reply| matches!(reply, OperationReply::Put(_))) && replies.len() == GROUP as usize {
            true => Ok(()),
            false => Err(format!("{GROUP} puts were answered with {} replies", replies.len())),
        }
    };
    Ok(Piece {
        operations: 1,
        warm: 16,
        steps: 16,
        step: Box::new(step),
    })
}

/// Reads keys, each at a moment of its own.
pub(super) fn get(directory: &Path) -> Result<Piece, String> {
    const READS: u32 = 64;
    let store = filled(directory)?;
    let domains = DomainTable::of(store.domains());
    let engine: Arc<dyn Engine> = Arc::clone(store.engine());
    engine.flush().map_err(|error| error.to_string())?;
    let keys: Vec<Vec<u8>> = (0..KEYS).map(key).collect();
    let mut at = 0;
    let step = move || {
        // What keeps the engine's files is not to go away before its reader.
        let _ = &store;
        for _ in 0..READS {
            at = (at + STRIDE as usize) % keys.len();
            let view = engine.view();
            let found = Reader::with_domains(view.as_ref(), &domains).get(DOMAIN, &keys[at], None);
            match found
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?
            {
                Some(record) if record.value.len() == VALUE_BYTES => {}
                other => return Err(format!("a key that was written is {other:?}")),
            }
        }
        Ok(())
    };
    Ok(Piece {
        operations: READS,
        // Every block is in the cache then.
        warm: 16,
        steps: 32,
        step: Box::new(step),
    })
}

/// Hands a lock on to itself.
pub(super) fn lock_and_unlock(directory: &Path) -> Result<Piece, String> {
    let mut locks = Locks::new(directory, 0)?;
    Ok(Piece {
        operations: PAIRS,
        warm: 8,
        steps: 16,
        step: Box::new(move || locks.group().map(drop)),
    })
}

/// Pushes, claims and acknowledges.
pub(super) fn queue(directory: &Path) -> Result<Piece, String> {
    let mut queues = Queues::new(directory, QUEUED)?;
    Ok(Piece {
        operations: GROUP,
        warm: 8,
        steps: 8,
        step: Box::new(move || queues.step().map(drop)),
    })
}

fn filled(directory: &Path) -> Result<Store, String> {
    let mut store = Store::new(directory)?;
    for first in (0..KEYS).step_by(GROUP as usize) {
        let puts = (first..first + u64::from(GROUP)).map(|number| Operation::Put(put(number)));
        store.apply(puts.collect())?;
    }
    Ok(store)
}

fn key(number: u64) -> Vec<u8> {
    format!("bench/{number:012}").into_bytes()
}

/// A put of key number `number`.
pub(super) fn put(number: u64) -> Put {
    Put {
        domain: DOMAIN.to_owned(),
        key: key(number),
        value: value(VALUE_BYTES, number),
        lease: None,
        ttl_ms: None,
        tags: Vec::new(),
        previous: false,
    }
}
