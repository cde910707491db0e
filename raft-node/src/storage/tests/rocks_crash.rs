//! What the engine on disk loses when its process dies.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::contract::small;
use super::model::{self, Model};
use super::rocks_open::this_test_in_a_child;
use crate::storage::{Change, Durability, Engine, RocksEngine, Table, View};

/// Set for the process that is to die: its data directory.
const DIE: &str = "QUORATE_TEST_DIE_IN_STORE";
const BATCHES: usize = 900;
const FLUSHED: usize = 100;

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

fn write(engine: &RocksEngine, number: usize) {
    engine
        .write(model::batch(&changes(number)), Durability::Memory)
        .unwrap();
}

/// Writes, flushes once on the way, and dies without a word to the engine.
fn write_and_die(directory: &Path) -> ! {
    let engine = RocksEngine::open(directory, small()).unwrap();
    for number in 1..=BATCHES {
        write(&engine, number);
        if number == FLUSHED {
            engine.flush().unwrap();
        }
    }
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    unreachable!("killed");
}

/// The batches whose effect, all of it and nothing else, the store holds.
fn surviving_prefix(directory: &Path) -> usize {
    let engine = RocksEngine::open(directory, small()).unwrap();
    let count = engine.get(Table::Meta, b"count").unwrap().unwrap();
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
fn a_killed_process_leaves_a_prefix_of_its_batches_with_all_that_was_flushed() {
    if let Some(directory) = std::env::var_os(DIE) {
        write_and_die(directory.as_ref());
    }
    let scratch = tempfile::tempdir().unwrap();
    let name = "storage::tests::rocks_crash::\
                a_killed_process_leaves_a_prefix_of_its_batches_with_all_that_was_flushed";
    let output = this_test_in_a_child(name, DIE, scratch.path().as_os_str())
        .output()
        .unwrap();
    assert_eq!(
        output.status.signal(),
        Some(9),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let survived = surviving_prefix(scratch.path());
    assert!(
        (FLUSHED..BATCHES).contains(&survived),
        "{survived} of {BATCHES} survived"
    );
    // The store goes on from there.
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    write(&engine, survived + 1);
    drop(engine);
    assert_eq!(surviving_prefix(scratch.path()), survived + 1);
}

#[test]
fn an_engine_dropped_without_a_flush_leaves_a_prefix_of_its_batches() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    for number in 1..=BATCHES {
        write(&engine, number);
        if number == FLUSHED {
            engine.flush().unwrap();
        }
    }
    drop(engine);
    let survived = surviving_prefix(scratch.path());
    assert!(
        (FLUSHED..=BATCHES).contains(&survived),
        "{survived} of {BATCHES} survived"
    );
}

#[test]
fn no_write_goes_to_the_write_ahead_log() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    for number in 1..=20 {
        write(&engine, number);
    }
    let files = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let logged: u64 = logs.map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(logged, 0);
}
