//! Flushes that meet one in the background. RocksDB alone reports about a third of these as over too early.

use std::path::Path;

use super::contract::small;
use super::model::Model;
use crate::storage::{Batch, Durability, Engine, RocksEngine, Table};

/// The race is lost often, but not every time.
const ROUNDS: usize = 40;

/// The second write fills the buffer of one table only; the third starts a flush in the background and goes to a new
/// buffer, so that the tables have been flushed unequally often.
fn fill(engine: &RocksEngine) {
    let sizes: [&[(Table, &str, usize)]; 3] = [
        &[
            (Table::Latest, "a", 25_000),
            (Table::Latest, "b", 13_000),
            (Table::History, "a", 5),
        ],
        &[(Table::Latest, "c", 21_000)],
        &[(Table::Latest, "d", 28_000), (Table::Latest, "e", 2)],
    ];
    for puts in sizes {
        let mut batch = Batch::new();
        for (table, key, size) in puts {
            batch.put(*table, *key, vec![b'v'; *size]);
        }
        engine.write(batch, Durability::Memory).unwrap();
    }
}

fn in_files(directory: &Path) -> Model {
    Model::of(&RocksEngine::open_read_only(directory).unwrap())
}

#[test]
fn a_flush_that_meets_another_is_over_when_it_returns() {
    for round in 0..ROUNDS {
        let scratch = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(scratch.path(), small()).unwrap();
        fill(&engine);
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
        fill(&engine);
        let copy = scratch.path().join("checkpoint");
        engine.checkpoint(&copy).unwrap();
        assert!(in_files(&copy) == Model::of(&engine), "round {round}");
    }
}
