//! The same random operations on both engines; every answer is compared with the model's.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{self, Bounds, Model};
use crate::storage::{Change, Durability, Engine, MemoryEngine, RocksEngine, RocksOptions, Table, View};

/// Views held at a time.
const VIEWS_MAX: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<Change>, Durability),
    Get(Table, Vec<u8>),
    Scan {
        table: Table,
        bounds: Bounds,
        reverse: bool,
        limit: usize,
    },
    TakeView,
    Flush,
    Checkpoint,
}

fn operation() -> impl Strategy<Value = Operation> {
    let durability = prop_oneof![6 => Just(Durability::Memory), 1 => Just(Durability::Synced)];
    let limit = prop_oneof![Just(usize::MAX), 1..4_usize];
    prop_oneof![
        8 => (model::changes(), durability).prop_map(|(changes, durability)| Operation::Write(changes, durability)),
        6 => (model::table(), model::key()).prop_map(|(table, key)| Operation::Get(table, key)),
        8 => (model::table(), model::bounds(), any::<bool>(), limit)
            .prop_map(|(table, bounds, reverse, limit)| Operation::Scan { table, bounds, reverse, limit }),
        3 => Just(Operation::TakeView),
        1 => Just(Operation::Flush),
        1 => Just(Operation::Checkpoint),
    ]
}

/// Operations between two restarts.
fn sessions() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    vec(vec(operation(), 1..40), 1..4)
}

/// An engine that can be stopped and started, and whose checkpoints can be opened.
trait Subject {
    fn engine(&self) -> &dyn Engine;
    fn restart(self: Box<Self>) -> Box<dyn Subject>;
    /// What the checkpoint in `directory` holds.
    fn look_into(&self, directory: &Path) -> Model;
}

struct OnDisk {
    engine: RocksEngine,
    directory: PathBuf,
}

/// The smallest buffers there are, so that tables are also flushed in the middle of things.
pub fn small() -> RocksOptions {
    RocksOptions {
        block_cache_bytes: 1 << 20,
        write_buffer_bytes: 64 << 10,
        ..RocksOptions::default()
    }
}

impl OnDisk {
    fn open(directory: &Path) -> Box<dyn Subject> {
        Box::new(OnDisk {
            engine: RocksEngine::open(directory, small()).unwrap(),
            directory: directory.to_owned(),
        })
    }
}

impl Subject for OnDisk {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn restart(self: Box<Self>) -> Box<dyn Subject> {
        let OnDisk { engine, directory } = *self;
        drop(engine);
        OnDisk::open(&directory)
    }

    fn look_into(&self, directory: &Path) -> Model {
        let inside = Model::of(&RocksEngine::open_read_only(directory).unwrap());
        let started = Model::of(&RocksEngine::open(directory, small()).unwrap());
        assert_eq!(
            inside, started,
            "a checkpoint holds the same, looked into or started from"
        );
        inside
    }
}

struct InMemory(MemoryEngine);

impl Subject for InMemory {
    fn engine(&self) -> &dyn Engine {
        &self.0
    }

    fn restart(self: Box<Self>) -> Box<dyn Subject> {
        self.0.crash();
        self
    }

    fn look_into(&self, directory: &Path) -> Model {
        Model::of(&MemoryEngine::open_checkpoint(directory).unwrap())
    }
}

fn run(mut subject: Box<dyn Subject>, sessions: &[Vec<Operation>], scratch: &Path) {
    let mut model = Model::default();
    for (number, operations) in sessions.iter().enumerate() {
        assert_eq!(Model::of(subject.engine()), model, "after restart {number}");
        run_session(&*subject, operations, &mut model, scratch, number);
        subject.engine().flush().unwrap();
        subject = subject.restart();
    }
    assert_eq!(Model::of(subject.engine()), model, "after the last restart");
}

fn run_session(subject: &dyn Subject, operations: &[Operation], model: &mut Model, scratch: &Path, session: usize) {
    let engine = subject.engine();
    let mut views: VecDeque<(Box<dyn View + '_>, Model)> = VecDeque::new();
    for (step, operation) in operations.iter().enumerate() {
        match operation {
            Operation::Write(changes, durability) => {
                engine.write(model::batch(changes), *durability).unwrap();
                model.apply(changes);
            }
            Operation::Get(table, key) => {
                assert_eq!(engine.get(*table, key).unwrap(), model.get(*table, key));
                for (view, seen) in &views {
                    assert_eq!(view.get(*table, key).unwrap(), seen.get(*table, key), "in a view");
                }
            }
            Operation::Scan { .. } => {
                compare_scan(engine, model, operation);
                for (view, seen) in &views {
                    compare_scan(&**view, seen, operation);
                }
            }
            Operation::TakeView => {
                views.push_back((engine.view(), model.clone()));
                if views.len() > VIEWS_MAX {
                    views.pop_front();
                }
            }
            Operation::Flush => engine.flush().unwrap(),
            Operation::Checkpoint => {
                let directory = scratch.join(format!("checkpoint-{session}-{step}"));
                engine.checkpoint(&directory).unwrap();
                assert_eq!(subject.look_into(&directory), *model, "in a checkpoint");
            }
        }
    }
    for (view, seen) in &views {
        assert_eq!(Model::of(&**view), *seen, "a view at the end");
    }
}

fn compare_scan(view: &dyn View, model: &Model, operation: &Operation) {
    let Operation::Scan {
        table,
        bounds,
        reverse,
        limit,
    } = operation
    else {
        panic!("not a scan: {operation:?}");
    };
    let mut expected = model.scan(*table, bounds, *reverse);
    expected.truncate(*limit);
    assert_eq!(
        model::scan(view, *table, bounds, *reverse, *limit),
        expected,
        "{operation:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_on_disk_answers_as_the_model_does(sessions in sessions()) {
        let scratch = tempfile::tempdir().unwrap();
        run(OnDisk::open(&scratch.path().join("store")), &sessions, scratch.path());
    }

    #[test]
    fn the_engine_in_memory_answers_as_the_model_does(sessions in sessions()) {
        let scratch = tempfile::tempdir().unwrap();
        run(Box::new(InMemory(MemoryEngine::new())), &sessions, scratch.path());
    }
}
