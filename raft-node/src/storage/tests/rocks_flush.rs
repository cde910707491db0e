//! Flushes that meet one in the background. RocksDB alone reports about a third of these as over too early.

use std::path::Path;

use super::contract::small;
use super::model::Model;
use crate::storage::{Batch, Durability, Engine, RocksEngine, Table};

/// The race is lost often, but not every time.
const ROUNDS: usize = 36;
const FLUSHES_BEFORE: usize = 3;

/// Fills the buffer of one table while `others` tables stay almost empty: the last write starts a flush in the
/// background and goes to a new buffer of that table. How many take part decides which are mistaken for which.
fn fill(engine: &RocksEngine, others: usize) {
    // The flushes' own column family is ahead of the tables from here on.
    for _ in 0..FLUSHES_BEFORE {
        engine.flush().unwrap();
    }
    let small = Table::ALL[1..=others].iter().map(|table| (*table, b"k".as_slice(), 5));
    let large = [(Table::Latest, b"a".as_slice(), 25_569), (Table::Latest, b"b", 13_061)];
    put(engine, &large.into_iter().chain(small).collect::<Vec<_>>());
    put(engine, &[(Table::Latest, b"c", 21_478)]);
    put(engine, &[(Table::Latest, b"d", 28_025), (Table::Latest, b"e", 2)]);
}

fn put(engine: &RocksEngine, entries: &[(Table, &[u8], usize)]) {
    let mut batch = Batch::new();
    for (table, key, size) in entries {
        batch.put(*table, *key, vec![b'v'; *size]);
    }
    engine.write(batch, Durability::Memory).unwrap();
}

fn in_files(directory: &Path) -> Model {
    Model::of(&RocksEngine::open_read_only(directory).unwrap())
}

#[test]
fn a_flush_that_meets_another_is_over_when_it_returns() {
    for round in 0..ROUNDS {
        let scratch = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(scratch.path(), small()).unwrap();
        fill(&engine, round % Table::ALL.len());
        engine.flush().unwrap();
        // Files are all that a crash leaves, and all that a reader beside the engine sees.
        assert!(in_files(scratch.path()) == Model::of(&engine), "round {round}");
    }
}

#[test]
fn a_checkpoint_that_meets_a_flush_holds_all_that_was_written_before() {
    for round in 0..ROUNDS {
        let scratch = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(&scratch.path().join("store"), small()).unwrap();
        fill(&engine, round % Table::ALL.len());
        let copy = scratch.path().join("checkpoint");
        engine.checkpoint(&copy).unwrap();
        assert!(in_files(&copy) == Model::of(&engine), "round {round}");
    }
}
