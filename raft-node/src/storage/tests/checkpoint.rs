//! Checkpoints beyond what the contract test asks of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::contract::small;
use super::model::Model;
use crate::storage::{Batch, Change, Durability, Engine, MemoryEngine, RocksEngine, Table, View};

/// Batch `number` sets the same number in every table, and a filler that makes some tables fill before others.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    for (place, table) in Table::ALL.into_iter().enumerate() {
        batch.put(table, b"number", number.to_be_bytes());
        batch.put(table, (number % 64).to_be_bytes(), vec![number as u8; 200 * place]);
    }
    batch
}

fn numbers(view: &dyn View) -> Vec<Option<Vec<u8>>> {
    let number = |table| view.get(table, b"number").unwrap();
    Table::ALL.into_iter().map(number).collect()
}

#[test]
fn checkpoints_taken_during_writes_hold_whole_batches_and_all_that_was_written_before() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(&scratch.path().join("store"), small()).unwrap();
    engine.write(batch(1), Durability::Memory).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 1;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                engine.write(batch(number), Durability::Memory).unwrap();
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..10 {
                let before = engine.get(Table::Latest, b"number").unwrap();
                let directory = scratch.path().join(format!("checkpoint-{round}"));
                engine.checkpoint(&directory).unwrap();
                let found = numbers(&RocksEngine::open_read_only(&directory).unwrap());
                assert!(
                    found.iter().all(|number| *number == found[0]),
                    "tables differ: {found:?}"
                );
                assert!(
                    found[0] >= before,
                    "{:?} was written before, {:?} is there",
                    before,
                    found[0]
                );
            }
        }));
        // The writer must end whatever happened, or the scope would wait for it for ever.
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_checkpoint_into_a_directory_that_exists_is_refused_and_named() {
    let scratch = tempfile::tempdir().unwrap();
    let taken = scratch.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let on_disk = RocksEngine::open(&scratch.path().join("store"), small()).unwrap();
    let in_memory = MemoryEngine::new();
    for engine in [&on_disk as &dyn Engine, &in_memory] {
        let error = engine.checkpoint(&taken).unwrap_err().to_string();
        assert!(error.contains(&taken.display().to_string()), "{error}");
    }
}

#[test]
fn a_checkpoint_opened_read_only_refuses_writes() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("checkpoint");
    let engine = RocksEngine::open(&scratch.path().join("store"), small()).unwrap();
    engine.write(batch(1), Durability::Memory).unwrap();
    engine.checkpoint(&directory).unwrap();
    let inside = RocksEngine::open_read_only(&directory).unwrap();
    inside.write(batch(2), Durability::Memory).unwrap_err();
    assert_eq!(numbers(&inside), numbers(&engine));
}

#[test]
fn the_disk_use_grows_with_what_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let on_disk = RocksEngine::open(&scratch.path().join("store"), small()).unwrap();
    let in_memory = MemoryEngine::new();
    for engine in [&on_disk as &dyn Engine, &in_memory] {
        let empty = engine.disk_bytes();
        for number in 0..64 {
            engine.write(batch(number), Durability::Memory).unwrap();
        }
        let unflushed = engine.disk_bytes();
        assert!(unflushed >= empty + 64 * 3_000, "{empty} then {unflushed}");
        engine.flush().unwrap();
        assert!(engine.disk_bytes() >= 64 * 3_000, "{}", engine.disk_bytes());
    }
}

fn sample_file(directory: &Path) -> std::path::PathBuf {
    let engine = MemoryEngine::new();
    // Several chunks, so that losing one can be tried.
    for number in 0..20_u8 {
        let mut batch = Batch::new();
        batch.put(Table::Latest, [number], vec![number; 200_000]);
        batch.put(Table::Meta, [number], [number]);
        engine.write(batch, Durability::Memory).unwrap();
    }
    engine.checkpoint(directory).unwrap();
    assert_eq!(
        Model::of(&MemoryEngine::open_checkpoint(directory).unwrap()),
        Model::of(&engine)
    );
    directory.join("memory-checkpoint")
}

/// Where each envelope begins, and where the last ends.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let mut borders = vec![0];
    let mut left = bytes;
    while !left.is_empty() {
        left = crate::codec::open(left).unwrap().2;
        borders.push(bytes.len() - left.len());
    }
    borders
}

#[test]
fn a_damaged_checkpoint_of_the_engine_in_memory_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("checkpoint");
    let file = sample_file(&directory);
    let whole = fs::read(&file).unwrap();
    let borders = borders(&whole);
    assert!(borders.len() > 4, "{borders:?}");

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let without_second = [&whole[..borders[1]], &whole[borders[2]..]].concat();
    let without_end = whole[..borders[borders.len() - 2]].to_vec();
    let with_more = [&whole[..], &whole[..borders[1]]].concat();
    let cases = [
        ("checksum", flipped),
        ("cut short", whole[..whole.len() - 1].to_vec()),
        ("should have", without_second),
        ("before its last record", without_end),
        ("follow its last record", with_more),
        ("before its last record", Vec::new()),
    ];
    for (expected, bytes) in cases {
        fs::write(&file, bytes).unwrap();
        let error = MemoryEngine::open_checkpoint(&directory).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
        assert!(error.contains(&file.display().to_string()), "{error}");
    }
}

#[test]
fn an_opened_checkpoint_survives_a_crash() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("checkpoint");
    sample_file(&directory);
    let engine = MemoryEngine::open_checkpoint(&directory).unwrap();
    let before = Model::of(&engine);
    engine.crash();
    assert_eq!(Model::of(&engine), before);
}

#[test]
fn the_bytes_of_a_checkpoint_of_the_engine_in_memory_are_frozen() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("checkpoint");
    let engine = MemoryEngine::new();
    let changes = [Change::Put {
        table: Table::Meta,
        key: b"k".to_vec(),
        value: b"v1".to_vec(),
    }];
    engine.write(super::model::batch(&changes), Durability::Memory).unwrap();
    engine.checkpoint(&directory).unwrap();
    let bytes = fs::read(directory.join("memory-checkpoint")).unwrap();
    let checked: Vec<u8> = crate::codec::open(&bytes).unwrap().1.to_vec();
    assert_eq!(checked, b"\x04meta\x01\x01k\x02v1");
    assert_eq!(bytes[..7], [0x01, 0x06, 1, 11, 0, 0, 0]);
    let end = &bytes[borders(&bytes)[1]..];
    assert_eq!(end[..7], [0x02, 0x06, 1, 1, 0, 0, 0]);
    assert_eq!(end[11..], [1]);
}
