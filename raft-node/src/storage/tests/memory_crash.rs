//! What the engine in memory loses, and what it must not lose.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{self, Model};
use crate::storage::{Batch, Change, Durability, Engine, MemoryEngine, StorageError, Table, View};

fn put(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Latest, number.to_be_bytes(), b"value");
    batch.put(Table::Meta, b"applied", number.to_be_bytes());
    batch
}

fn write(engine: &MemoryEngine, number: u64) {
    engine.write(put(number), Durability::Memory).unwrap();
}

fn applied(view: &dyn View) -> Option<u64> {
    let value = view.get(Table::Meta, b"applied").unwrap()?;
    Some(u64::from_be_bytes(value.try_into().unwrap()))
}

#[test]
fn a_crash_loses_what_was_not_flushed() {
    let engine = MemoryEngine::new();
    write(&engine, 1);
    engine.flush().unwrap();
    write(&engine, 2);
    write(&engine, 3);
    assert_eq!(engine.unsynced_batches(), 2);
    engine.crash();
    assert_eq!(applied(&engine), Some(1));
    assert_eq!(engine.get(Table::Latest, &2_u64.to_be_bytes()).unwrap(), None);
    assert_eq!(engine.unsynced_batches(), 0);
}

#[test]
fn a_synced_batch_takes_all_earlier_ones_with_it_to_the_disk() {
    let engine = MemoryEngine::new();
    write(&engine, 1);
    engine.write(put(2), Durability::Synced).unwrap();
    write(&engine, 3);
    engine.crash();
    assert_eq!(applied(&engine), Some(2));
    assert!(engine.get(Table::Latest, &1_u64.to_be_bytes()).unwrap().is_some());
}

#[test]
fn writes_after_a_crash_build_on_what_survived() {
    let engine = MemoryEngine::new();
    write(&engine, 1);
    write(&engine, 2);
    engine.crash_keeping(1);
    write(&engine, 7);
    engine.flush().unwrap();
    engine.crash();
    assert_eq!(applied(&engine), Some(7));
    assert_eq!(engine.get(Table::Latest, &2_u64.to_be_bytes()).unwrap(), None);
    assert!(engine.get(Table::Latest, &1_u64.to_be_bytes()).unwrap().is_some());
}

#[test]
fn a_disk_that_fails_says_so_and_makes_nothing_durable() {
    let engine = MemoryEngine::new();
    let scratch = tempfile::tempdir().unwrap();
    write(&engine, 1);
    engine.fail_syncs(true);
    let refused = [
        engine.flush(),
        engine.write(put(2), Durability::Synced),
        engine.checkpoint(&scratch.path().join("checkpoint")),
    ];
    for result in refused {
        let error: StorageError = result.unwrap_err();
        assert!(error.to_string().contains("told to fail"), "{error}");
    }
    write(&engine, 3);
    engine.crash();
    assert_eq!(applied(&engine), None);
    engine.fail_syncs(false);
    engine.write(put(4), Durability::Synced).unwrap();
    engine.crash();
    assert_eq!(applied(&engine), Some(4));
}

#[test]
fn a_disk_that_skips_syncs_lies_until_the_crash() {
    let engine = MemoryEngine::new();
    engine.write(put(1), Durability::Synced).unwrap();
    engine.skip_syncs(true);
    engine.write(put(2), Durability::Synced).unwrap();
    engine.flush().unwrap();
    assert_eq!(applied(&engine), Some(2));
    engine.crash();
    assert_eq!(applied(&engine), Some(1));
}

#[test]
fn a_clone_is_the_same_store() {
    let engine = MemoryEngine::new();
    let clone = engine.clone();
    write(&engine, 1);
    assert_eq!(applied(&clone), Some(1));
    clone.crash();
    assert_eq!(applied(&engine), None);
}

#[test]
fn a_view_outlives_the_crash_that_took_what_it_saw() {
    let engine = MemoryEngine::new();
    write(&engine, 1);
    let view = engine.view();
    engine.crash();
    assert_eq!(applied(&*view), Some(1));
    assert_eq!(applied(&engine), None);
}

#[test]
fn a_scan_may_write_to_the_engine_it_reads() {
    let engine = MemoryEngine::new();
    for number in 0..10 {
        write(&engine, number);
    }
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let mut visited = 0;
    engine
        .scan(Table::Latest, all.0, all.1, false, &mut |_, _| {
            visited += 1;
            write(&engine, 100 + visited);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(visited, 10);
    assert_eq!(applied(&engine), Some(110));
}

#[test]
fn the_list_of_unsynced_batches_is_bounded_and_its_oldest_become_durable() {
    let engine = MemoryEngine::new();
    let limit = 65_536;
    for number in 1..=limit + 3 {
        write(&engine, number);
    }
    assert_eq!(engine.unsynced_batches() as u64, limit);
    engine.fail_syncs(true);
    let error = engine.write(put(0), Durability::Memory).unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
    engine.crash();
    assert_eq!(applied(&engine), Some(3));
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>, Durability),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let durability = prop_oneof![5 => Just(Durability::Memory), 1 => Just(Durability::Synced)];
    let step = prop_oneof![
        8 => (model::changes(), durability).prop_map(|(changes, durability)| Step::Write(changes, durability)),
        1 => Just(Step::Flush),
    ];
    vec(step, 0..40)
}

proptest! {
    #[test]
    fn a_crash_leaves_the_synced_batches_and_the_chosen_prefix_of_the_rest(steps in steps(), kept in 0..12_usize) {
        let engine = MemoryEngine::new();
        let mut batches = Vec::new();
        let mut synced = 0;
        for step in steps {
            let flushed = match step {
                Step::Write(changes, durability) => {
                    engine.write(model::batch(&changes), durability).unwrap();
                    // An empty batch is nothing to keep or to lose.
                    if !changes.is_empty() {
                        batches.push(changes);
                    }
                    durability == Durability::Synced
                }
                Step::Flush => {
                    engine.flush().unwrap();
                    true
                }
            };
            if flushed {
                synced = batches.len();
            }
        }
        prop_assert_eq!(engine.unsynced_batches(), batches.len() - synced);
        prop_assert_eq!(Model::of(&engine), Model::after(&batches, batches.len()));
        engine.crash_keeping(kept);
        let survivors = batches.len().min(synced + kept);
        prop_assert_eq!(Model::of(&engine), Model::after(&batches, survivors));
    }
}
