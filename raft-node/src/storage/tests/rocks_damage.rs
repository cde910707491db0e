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
