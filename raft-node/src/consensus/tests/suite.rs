//! openraft's own storage suite over our log store and our state machine.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use tempfile::TempDir;

use super::in_process::memory_engines;
use crate::consensus::TypeConfig;
use crate::log_store::{Disk, FileDisk, LogOptions, LogStore, LossyDisk};
use crate::state_machine::{OpenEngine, StateMachine, StateStore};
use crate::storage::{Engine, RocksEngine, RocksOptions};

struct OnDisk;
struct Lossy;

fn open(disk: impl Disk, engines: OpenEngine, directory: TempDir) -> (TempDir, LogStore, StateMachine) {
    let options = LogOptions {
        segment_bytes: 64 << 10,
        ..LogOptions::default()
    };
    let log = LogStore::open(disk, options).unwrap();
    let (store, state) = StateStore::open(directory.path(), engines).unwrap();
    (directory, log, StateMachine::new(store, state))
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path().join("log")).unwrap();
        let engines: OpenEngine = Arc::new(|directory, _| {
            Ok(Arc::new(RocksEngine::open(directory, RocksOptions::default())?) as Arc<dyn Engine>)
        });
        Ok(open(disk, engines, directory))
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for Lossy {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        Ok(open(LossyDisk::new(), memory_engines(), tempfile::tempdir().unwrap()))
    }
}

#[test]
fn the_stores_on_disk_pass_openrafts_suite() {
    TypeConfig::run(async { Suite::test_all(OnDisk).await.unwrap() });
}

#[test]
fn the_stores_that_lose_unsynced_writes_pass_openrafts_suite() {
    TypeConfig::run(async { Suite::test_all(Lossy).await.unwrap() });
}
