//! openraft's own suite, with a state machine that is just enough for it.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, OptionalSend, StorageError};
use parking_lot::Mutex;

use crate::consensus::{LogId, StoredMembership, TypeConfig};
use crate::log_store::{FileDisk, LogOptions, LogStore, LossyDisk};
use crate::state_machine::GroupReply;

/// Remembers what was applied last, and nothing else.
#[derive(Clone, Default)]
struct Positions {
    applied: Option<LogId>,
    membership: StoredMembership,
    /// Shared with the builders.
    snapshot: Arc<Mutex<Option<SnapshotMetaOf<TypeConfig>>>>,
}

impl RaftSnapshotBuilder<TypeConfig> for Positions {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, ()>, io::Error> {
        let meta = SnapshotMetaOf::<TypeConfig> {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        };
        *self.snapshot.lock() = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Positions {
    type SnapshotData = ();
    type SnapshotBuilder = Positions;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.applied = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(GroupReply::default());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Positions {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<TypeConfig>, _: ()) -> Result<(), io::Error> {
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        *self.snapshot.lock() = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, ()>>, io::Error> {
        Ok(self.snapshot.lock().clone().map(|meta| Snapshot { meta, snapshot: () }))
    }
}

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 1 << 20,
        ..LogOptions::default()
    }
}

struct OnFiles;

impl StoreBuilder<TypeConfig, LogStore, Positions, tempfile::TempDir> for OnFiles {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, Positions), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path().join("log")).unwrap();
        let store = LogStore::open(disk, options()).unwrap();
        Ok((directory, store, Positions::default()))
    }
}

/// With a tail of `tail_bytes`: at 0 every read goes to the medium.
struct InMemory {
    tail_bytes: u64,
}

impl StoreBuilder<TypeConfig, LogStore, Positions> for InMemory {
    async fn build(&self) -> Result<((), LogStore, Positions), StorageError<TypeConfig>> {
        let options = LogOptions {
            tail_bytes: self.tail_bytes,
            ..options()
        };
        let store = LogStore::open(LossyDisk::new(), options).unwrap();
        Ok(((), store, Positions::default()))
    }
}

#[test]
fn the_suite_of_openraft_passes_on_files() {
    TypeConfig::run(async { Suite::test_all(OnFiles).await.unwrap() });
}

#[test]
fn the_suite_of_openraft_passes_in_memory() {
    TypeConfig::run(async { Suite::test_all(InMemory { tail_bytes: 1 << 20 }).await.unwrap() });
}

#[test]
fn the_suite_of_openraft_passes_without_a_tail() {
    TypeConfig::run(async { Suite::test_all(InMemory { tail_bytes: 0 }).await.unwrap() });
}
