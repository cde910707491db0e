//! Snapshots for which there is no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};

use crate::consensus::tests::memory_engines;
use crate::state_machine::testing::{self, put, put_command};
use crate::state_machine::{EngineUse, EntryPayload, OpenEngine, StateMachine, StateStore};
use crate::storage::StorageError;

/// A store with one entry, whose first checkpoint fails to open with these words.
fn store(directory: &std::path::Path, words: &'static str) -> (Arc<StateStore>, StateMachine) {
    let (engines, opened) = (memory_engines(), AtomicU32::new(0));
    let open: OpenEngine = Arc::new(move |path, usage| {
        // The first one opened is the live one.
        let before = opened.fetch_add(1, Ordering::Relaxed);
        let wanted = if before == 0 { EngineUse::Live } else { EngineUse::Look };
        assert_eq!(
            usage, wanted,
            "a checkpoint that can be written to would compact, and take room"
        );
        if before == 1 {
            return Err(StorageError {
                doing: "open the store",
                reason: words.to_owned(),
            });
        }
        engines(path, usage)
    });
    let (store, mut state) = StateStore::open(directory, open).unwrap();
    let payload = EntryPayload::Group(testing::group(0, &[put_command(put("a", "1"))]));
    state.apply(&[testing::entry(1, payload)]).unwrap();
    (Arc::clone(&store), StateMachine::new(store, state))
}

/// What is there of snapshots, finished or not.
fn made(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("snapshots")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "incoming").collect()
}

#[tokio::test]
async fn a_snapshot_that_finds_no_room_is_made_when_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let words = "IO error: No space left on device: While appending to file: 000000.dbtmp";
    let (_store, mut machine) = store(directory.path(), words);
    let mut builder = machine.get_snapshot_builder().await;
    let built = builder.build_snapshot().await.unwrap();
    assert_eq!(built.meta.last_log_id.unwrap().index, 1);
    assert_eq!(made(directory.path()).len(), 1);
}

#[tokio::test]
async fn a_snapshot_that_fails_otherwise_is_an_error_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, mut machine) = store(directory.path(), "IO error: Input/output error");
    let mut builder = machine.get_snapshot_builder().await;
    let error = builder.build_snapshot().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("Input/output error"), "{error}");
    assert_eq!(made(directory.path()), Vec::<String>::new());
}
