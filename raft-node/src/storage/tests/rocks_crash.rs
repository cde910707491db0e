//! What the engine on disk loses when its process dies.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::contract::small;
use super::model::{self, Model};
use super::rocks_open::this_test_in_a_child;
use crate::storage::{Change, Durability, Engine, RocksEngine, Table, View};

/// Set for the process that is to die: its data directory.
const DIE: &str = "QUORATE_TEST_DIE_IN_STORE";

/// What a process writes before it dies.
#[derive(Clone, Copy)]
struct Life {
    batches: usize,
    /// After this batch everything is on disk.
    synced: usize,
    how: Sync,
}

#[derive(Clone, Copy, PartialEq)]
enum Sync {
    Flush,
    SyncedWrite,
}

/// Long enough for buffers to fill and be flushed in the background.
const LONG: Life = Life {
    batches: 900,
    synced: 100,
    how: Sync::Flush,
};
/// Too short for that: only what is synced by request reaches the disk.
const SHORT: Life = Life {
    batches: 16,
    synced: 8,
    how: Sync::Flush,
};

/// Batch `number` (from 1), the same in every process. Tables fill at different rates, so that the buffer of one is
/// full long before those of the others.
fn changes(number: usize) -> Vec<Change> {
    let count = |table| Change::Put {
        table,
        key: b"count".to_vec(),
        value: number.to_be_bytes().to_vec(),
    };
    let mut changes: Vec<Change> = Table::ALL.into_iter().map(count).collect();
    changes.push(Change::Put {
        table: Table::History,
        key: number.to_be_bytes().to_vec(),
        value: vec![number as u8; 1_500],
    });
    changes.push(Change::DeleteRange {
        table: Table::History,
        from: 0_usize.to_be_bytes().to_vec(),
        to: number.saturating_sub(50).to_be_bytes().to_vec(),
    });
    changes.push(Change::Delete {
        table: Table::Index,
        key: (number - 1).to_be_bytes().to_vec(),
    });
    changes.push(Change::Put {
        table: Table::Index,
        key: number.to_be_bytes().to_vec(),
        value: Vec::new(),
    });
    changes
}

fn write(engine: &RocksEngine, number: usize, durability: Durability) {
    engine.write(model::batch(&changes(number)), durability).unwrap();
}

fn live(engine: &RocksEngine, life: Life) {
    for number in 1..=life.batches {
        match (number == life.synced, life.how) {
            (true, Sync::SyncedWrite) => write(engine, number, Durability::Synced),
            (true, Sync::Flush) => {
                write(engine, number, Durability::Memory);
                engine.flush().unwrap();
            }
            (false, _) => write(engine, number, Durability::Memory),
        }
    }
}

/// In the process started for it: writes, and dies without a word to the engine. In the test itself: starts that
/// process, sees it die, and returns how many of its batches survived.
fn survivors_of(directory: &Path, test: &str, life: Life) -> usize {
    if let Some(directory) = std::env::var_os(DIE) {
        let engine = RocksEngine::open(directory.as_ref(), small()).unwrap();
        live(&engine, life);
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        unreachable!("killed");
    }
    let name = format!("storage::tests::rocks_crash::{test}");
    let output = this_test_in_a_child(&name, DIE, directory.as_os_str())
        .output()
        .unwrap();
    assert_eq!(
        output.status.signal(),
        Some(9),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    surviving_prefix(directory)
}

/// The batches whose effect, all of it and nothing else, the store holds.
fn surviving_prefix(directory: &Path) -> usize {
    let engine = RocksEngine::open(directory, small()).unwrap();
    let Some(count) = engine.get(Table::Meta, b"count").unwrap() else {
        assert_eq!(Model::of(&engine), Model::default());
        return 0;
    };
    let count = usize::from_be_bytes(count.try_into().unwrap());
    let batches: Vec<Vec<Change>> = (1..=count).map(changes).collect();
    let (found, expected) = (Model::of(&engine), Model::after(&batches, count));
    assert!(
        found == expected,
        "the store is not what the first {count} batches make"
    );
    count
}

#[test]
fn a_killed_process_leaves_a_prefix_of_its_batches() {
    let scratch = tempfile::tempdir().unwrap();
    let survived = survivors_of(scratch.path(), "a_killed_process_leaves_a_prefix_of_its_batches", LONG);
    assert!((LONG.synced..=LONG.batches).contains(&survived), "{survived} survived");
    // The store goes on from there.
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    write(&engine, survived + 1, Durability::Memory);
    drop(engine);
    assert_eq!(surviving_prefix(scratch.path()), survived + 1);
}

#[test]
fn a_killed_process_keeps_what_it_had_flushed() {
    let scratch = tempfile::tempdir().unwrap();
    let survived = survivors_of(scratch.path(), "a_killed_process_keeps_what_it_had_flushed", SHORT);
    assert_eq!(survived, SHORT.synced);
}

#[test]
fn a_killed_process_keeps_its_synced_batch_and_all_before_it() {
    let scratch = tempfile::tempdir().unwrap();
    let life = Life {
        how: Sync::SyncedWrite,
        ..SHORT
    };
    let survived = survivors_of(
        scratch.path(),
        "a_killed_process_keeps_its_synced_batch_and_all_before_it",
        life,
    );
    assert_eq!(survived, life.synced);
}

#[test]
fn an_engine_dropped_without_a_flush_leaves_a_prefix_of_its_batches() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    live(&engine, LONG);
    drop(engine);
    let survived = surviving_prefix(scratch.path());
    assert!((LONG.synced..=LONG.batches).contains(&survived), "{survived} survived");
}

#[test]
fn no_write_goes_to_the_write_ahead_log() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    for number in 1..=20 {
        write(&engine, number, Durability::Memory);
    }
    let files = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let logged: u64 = logs.map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(logged, 0);
}
