//! What a damaged table does to those who read it.

use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::contract::small;
use crate::storage::{Batch, Durability, Engine, RocksEngine, Table, View};

fn table_of(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut tables: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "sst"))
        .collect();
    tables.sort_by_key(|path| fs::metadata(path).unwrap().len());
    tables.pop().unwrap()
}

#[test]
fn a_read_that_meets_damage_names_the_file_and_tells_whoever_asked_to_be_told() {
    let directory = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(directory.path(), small()).unwrap();
    let mut batch = Batch::new();
    for number in 0..1000_u32 {
        batch.put(Table::Latest, number.to_be_bytes().to_vec(), vec![7; 200]);
    }
    engine.write(batch, Durability::Synced).unwrap();
    drop(engine);
    let table = table_of(directory.path());
    let mut bytes = fs::read(&table).unwrap();
    bytes[100] ^= 1;
    fs::write(&table, bytes).unwrap();

    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let engine = RocksEngine::open(directory.path(), small()).unwrap();
    let engine = engine.telling(Arc::new(move |error| hears.lock().push(error.to_string())));
    let name = table.file_name().unwrap().to_str().unwrap();
    let got = engine.get(Table::Latest, &0_u32.to_be_bytes()).unwrap_err().to_string();
    let mut seen = 0;
    let scanned = engine.scan(Table::Latest, Bound::Unbounded, Bound::Unbounded, false, &mut |_, _| {
        seen += 1;
        std::ops::ControlFlow::Continue(())
    });
    let scanned = scanned.unwrap_err().to_string();
    assert!(got.contains(name) && scanned.contains(name), "{got}\n{scanned}");
    assert_eq!(*told.lock(), [got, scanned]);
    assert!(engine.get(Table::History, b"absent").unwrap().is_none());
    assert_eq!(told.lock().len(), 2, "what does not fail is not told");
}

/// Its properties and the places of its parts are at its end; RocksDB reads them when it opens the store, and may take the list
/// of tables for what is damaged.
#[test]
fn a_store_that_cannot_be_opened_for_a_damaged_table_says_that_it_may_be_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(directory.path(), small()).unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Latest, b"key".to_vec(), b"value".to_vec());
    engine.write(batch, Durability::Synced).unwrap();
    drop(engine);
    let table = table_of(directory.path());
    let name = table.file_name().unwrap().to_str().unwrap();
    let tables = format!("{}/*.sst", directory.path().display());
    let intact = fs::read(&table).unwrap();
    let mut refused = 0;
    for byte in (0..intact.len()).step_by(4) {
        let mut damaged = intact.clone();
        damaged[byte] ^= 1;
        fs::write(&table, damaged).unwrap();
        if let Err(error) = RocksEngine::open_read_only(directory.path()) {
            let said = error.to_string();
            assert!(said.contains(name) || said.contains(&tables), "byte {byte}: {said}");
            refused += 1;
        }
    }
    assert!(refused > 0);
}
