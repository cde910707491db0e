//! Opening the engine on disk: settings, locks, directories that are no store.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::contract::small;
use crate::storage::{Batch, Durability, Engine, RocksEngine, RocksOptions, Table, View};

/// Set for the process that the test below starts: the directory it shall hold open.
const HOLD: &str = "QUORATE_TEST_HOLD_STORE";

/// This test again, in a process of its own, with `variable` set.
pub fn this_test_in_a_child(name: &str, variable: &str, value: &std::ffi::OsStr) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(variable, value);
    command
}

#[test]
fn a_store_that_another_process_holds_is_refused_in_clear_words() {
    if let Some(directory) = std::env::var_os(HOLD) {
        let _engine = RocksEngine::open(directory.as_ref(), small()).unwrap();
        println!("\nholding");
        // Until the parent closes the pipe.
        std::io::stdin().lines().for_each(drop);
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let name = "storage::tests::rocks_open::a_store_that_another_process_holds_is_refused_in_clear_words";
    let mut child = this_test_in_a_child(name, HOLD, scratch.path().as_os_str())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap() == "holding"),
        "the child never opened the store"
    );
    let error = RocksEngine::open(scratch.path(), small()).unwrap_err().to_string();
    drop(child.stdin.take());
    said.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert!(error.contains("is used by another process"), "{error}");
    assert!(error.contains(&scratch.path().display().to_string()), "{error}");
    RocksEngine::open(scratch.path(), small()).unwrap();
}

#[test]
fn a_store_opened_twice_in_one_process_is_refused_in_clear_words() {
    let scratch = tempfile::tempdir().unwrap();
    let _engine = RocksEngine::open(scratch.path(), small()).unwrap();
    let error = RocksEngine::open(scratch.path(), small()).unwrap_err().to_string();
    assert!(error.contains("already open in this process"), "{error}");
}

#[test]
fn a_setting_out_of_its_limits_is_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let cases = [
        (
            "block_cache_bytes is 0",
            RocksOptions {
                block_cache_bytes: 0,
                ..small()
            },
        ),
        (
            "write_buffer_bytes is 1000",
            RocksOptions {
                write_buffer_bytes: 1000,
                ..small()
            },
        ),
        (
            "write_buffers is 1, it must be at least 2",
            RocksOptions {
                write_buffers: 1,
                ..small()
            },
        ),
        (
            "write_buffers is 17, it must be at most 16",
            RocksOptions {
                write_buffers: 17,
                ..small()
            },
        ),
        (
            "open_files_max is 3",
            RocksOptions {
                open_files_max: 3,
                ..small()
            },
        ),
    ];
    for (expected, options) in cases {
        let error = RocksEngine::open(scratch.path(), options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
    RocksEngine::open(scratch.path(), RocksOptions::default()).unwrap();
}

#[test]
fn a_directory_without_a_store_is_not_opened_read_only_and_stays_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let error = RocksEngine::open_read_only(scratch.path()).unwrap_err().to_string();
    assert!(error.contains(&scratch.path().display().to_string()), "{error}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_file_where_the_store_should_be_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("store");
    fs::write(&path, b"not a store").unwrap();
    let error = RocksEngine::open(&path, small()).unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_flipped_byte_in_a_data_file_is_an_error_and_not_an_answer() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Latest, b"key", vec![b'v'; 3_000]);
    engine.write(batch, Durability::Synced).unwrap();
    drop(engine);
    let files = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "sst"))
        .unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let value = bytes.windows(8).position(|window| window == b"vvvvvvvv").unwrap();
    bytes[value + 100] ^= 1;
    fs::write(&file, bytes).unwrap();
    let engine = RocksEngine::open(scratch.path(), small()).unwrap();
    let error = engine.get(Table::Latest, b"key").unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
}
