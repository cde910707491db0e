//! Disks that fail, and stores that are closed.

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use super::super::{FileDisk, LogError};
use super::*;

/// Appends and returns what the callback was told.
async fn outcome_of_append(store: &mut LogStore, entries: Vec<Entry>) -> std::io::Result<()> {
    let (sender, receiver) = TypeConfig::oneshot();
    store.append(entries, IOFlushed::signal(sender)).await?;
    receiver.await.unwrap()
}

#[tokio::test]
async fn a_failed_sync_is_final() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    let mut failed = store.failed();
    append(&mut store, entries(1, 0..2)).await;
    disk.fail_syncs(true);
    let told = outcome_of_append(&mut store, entries(1, 2..3)).await;
    assert_eq!(told.unwrap_err().raw_os_error(), None);
    failed.wait_for(Option::is_some).await.unwrap();

    // The disk works again, but what the failed sync left behind is unknown.
    disk.fail_syncs(false);
    assert!(outcome_of_append(&mut store, entries(1, 3..4)).await.is_err());
    assert!(store.save_vote(&votes(9)).await.is_err());
    assert!(store.truncate_after(Some(id(1, 0))).await.is_err());
    assert!(store.purge(id(1, 0)).await.is_err());
    assert!(store.save_committed(None).await.is_err());
    assert!(store.get_log_state().await.is_err());
    assert!(matches!(
        store.shutdown().await,
        Err(LogError::Io { operation: "sync", .. })
    ));
    assert_eq!(all(&mut open(&disk.crash(0))).await, entries(1, 0..2));
}

#[tokio::test]
async fn a_failed_sync_is_told_to_whoever_saves_a_vote() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    disk.fail_syncs(true);
    assert!(store.save_vote(&votes(1)).await.is_err());
}

#[tokio::test]
async fn a_full_disk_is_a_failure_with_a_name() {
    let disk = LossyDisk::new();
    disk.limit_bytes(Some(6000));
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..10)).await;
    let error = outcome_of_append(&mut store, entries(1, 10..60)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let Some(LogError::NoSpace { operation, file, bytes }) = store.failed().borrow().clone() else {
        panic!("another error");
    };
    assert_eq!((operation, file.as_str(), bytes), ("create", "00000002.log", 4096));

    // Everything acknowledged is there once there is space again, and the log goes on.
    let mut store = open(&disk.crash(0));
    let found = all(&mut store).await;
    assert_eq!(found[..10], entries(1, 0..10));
    let next = found.len() as u64;
    append(&mut store, entries(1, next..next + 60)).await;
}

#[tokio::test]
async fn a_disk_too_full_for_the_first_segment_is_refused_at_the_start() {
    let disk = LossyDisk::new();
    disk.limit_bytes(Some(100));
    assert!(matches!(
        LogStore::open(disk, small()).err(),
        Some(LogError::NoSpace { bytes: 4096, .. })
    ));
}

#[tokio::test]
async fn after_a_shutdown_changes_are_refused_and_the_files_are_free() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = LogStore::open(FileDisk::open(directory.path()).unwrap(), small()).unwrap();
    append(&mut store, entries(1, 0..5)).await;
    let busy = FileDisk::open(directory.path()).unwrap_err();
    assert_eq!(busy.kind(), std::io::ErrorKind::WouldBlock);

    append_and_forget(&mut store, entries(1, 5..8)).await;
    store.shutdown().await.unwrap();
    let refused = store.append(entries(1, 8..9), IOFlushed::noop()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);

    let mut store = LogStore::open(FileDisk::open(directory.path()).unwrap(), small()).unwrap();
    assert_eq!(all(&mut store).await, entries(1, 0..8));
}

#[tokio::test]
async fn an_append_that_would_leave_a_hole_is_refused_and_changes_nothing() {
    let mut store = open(&LossyDisk::new());
    append(&mut store, entries(1, 0..5)).await;
    for wrong in [entries(1, 6..7), entries(1, 4..6)] {
        let refused = store.append(wrong, IOFlushed::noop()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    }
    append(&mut store, entries(1, 5..6)).await;
    assert_eq!(all(&mut store).await, entries(1, 0..6));
}

#[test]
fn options_outside_their_limits_are_refused_by_name() {
    let options = LogOptions {
        segment_bytes: 100,
        ..LogOptions::default()
    };
    let refused = LogStore::open(LossyDisk::new(), options).err().unwrap().to_string();
    assert_eq!(
        refused,
        "log: option segment_bytes is 100; it must be between 4096 and 2147483648"
    );
}
