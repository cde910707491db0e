//! Three members in one process.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{Config, OptionalSend};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::stalling_disk::StallingDisk;
use crate::consensus::{Member, Raft, TypeConfig, Vote};
use crate::log_store::{LogOptions, LogStore, LossyDisk};
use crate::mvcc::Put;
use crate::state_machine::{
    Command, Group, OpenEngine, Operation, RaftSnapshot, SnapshotFiles, StateMachine, StateStore, Transaction,
};
use crate::storage::{Engine, MemoryEngine};
use crate::types::{LogTimeMs, MemberId};

type Rafts = Arc<Mutex<BTreeMap<MemberId, Raft>>>;

/// A cluster whose members are function calls away from each other.
pub(super) struct InProcess {
    config: Arc<Config>,
    rafts: Rafts,
    pub(super) disks: BTreeMap<MemberId, StallingDisk>,
    stores: BTreeMap<MemberId, Arc<StateStore>>,
    directories: Vec<TempDir>,
}

impl InProcess {
    /// Three members, the first of them leading.
    pub(super) async fn start(config: Config) -> Self {
        let mut cluster = Self {
            config: Arc::new(config.validate().unwrap()),
            rafts: Rafts::default(),
            disks: BTreeMap::new(),
            stores: BTreeMap::new(),
            directories: Vec::new(),
        };
        for id in 1..=3 {
            cluster.boot(id, LossyDisk::new()).await;
        }
        let members: BTreeMap<_, _> = (1..=3).map(|id| (id, Member::default())).collect();
        cluster.raft(1).initialize(members).await.unwrap();
        let wait = cluster.raft(1).wait(Some(Duration::from_secs(10)));
        wait.current_leader(1, "the first member leads").await.unwrap();
        cluster
    }

    /// Starts a member on what its disk holds. Its state machine is empty: the log replays it.
    pub(super) async fn boot(&mut self, id: MemberId, disk: LossyDisk) {
        let disk = StallingDisk::over(disk);
        let directory = tempfile::tempdir().unwrap();
        let (store, state) = StateStore::open(directory.path(), memory_engines()).unwrap();
        let log = LogStore::open(disk.clone(), small_segments()).unwrap();
        let network = Calls {
            rafts: Arc::clone(&self.rafts),
            target: 0,
        };
        let machine = StateMachine::new(Arc::clone(&store), state);
        let raft = Raft::new(id, Arc::clone(&self.config), network, log, machine)
            .await
            .unwrap();
        self.rafts.lock().insert(id, raft);
        self.disks.insert(id, disk);
        self.stores.insert(id, store);
        self.directories.push(directory);
    }

    /// Cuts a member's power and returns what its disk holds then.
    pub(super) async fn power_off(&mut self, id: MemberId) -> LossyDisk {
        let survived = self.disks[&id].crash();
        let raft = self.rafts.lock().remove(&id).unwrap();
        raft.shutdown().await.unwrap();
        self.disks[&id].resume();
        survived
    }

    pub(super) fn raft(&self, id: MemberId) -> Raft {
        self.rafts.lock()[&id].clone()
    }

    /// Puts through whoever leads, until it is acknowledged.
    pub(super) async fn put(&self, key: &str) {
        loop {
            for id in 1..=3 {
                let raft = self.raft(id);
                let written = tokio::time::timeout(Duration::from_secs(1), raft.client_write(put(key))).await;
                if matches!(written, Ok(Ok(_))) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The keys that a member's state holds.
    pub(super) fn keys(&self, id: MemberId) -> Vec<String> {
        use crate::mvcc::{Range, Selector, SortTarget};
        let engine = self.stores[&id].engine();
        let range = Range {
            domain: String::from("default"),
            keys: Selector::Prefix(Vec::new()),
            revision: None,
            limit: 100,
            bytes_max: 1 << 20,
            keys_only: true,
            count_only: false,
            sort: SortTarget::Key,
            descending: false,
            mod_revision: (None, None),
            create_revision: (None, None),
            tag: None,
            after: None,
        };
        let found = crate::state_machine::Reader::new(engine.view().as_ref())
            .range(&range)
            .unwrap()
            .unwrap();
        found
            .records
            .into_iter()
            .map(|record| String::from_utf8(record.key).unwrap())
            .collect()
    }

    /// Waits until a power failure would leave a member the entry at `index`.
    pub(super) async fn durable(&self, id: MemberId, index: u64) {
        let survives = || {
            let log = LogStore::open(self.disks[&id].crash(), small_segments()).unwrap();
            log.last_index().is_some_and(|last| last >= index)
        };
        for _ in 0..1000 {
            if survives() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("entry {index} is not durable at member {id}");
    }

    /// Waits until a member has applied as much as `index`.
    pub(super) async fn applied(&self, id: MemberId, index: u64) {
        let wait = self.raft(id).wait(Some(Duration::from_secs(10)));
        wait.applied_index_at_least(Some(index), "everything is applied")
            .await
            .unwrap();
    }
}

fn small_segments() -> LogOptions {
    LogOptions {
        segment_bytes: 1 << 20,
        ..LogOptions::default()
    }
}

/// Engines in memory; a directory that holds a checkpoint is opened from it.
pub(crate) fn memory_engines() -> OpenEngine {
    Arc::new(|directory: &Path, _| {
        let holds_files = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        let engine = if holds_files {
            MemoryEngine::open_checkpoint(directory)?
        } else {
            MemoryEngine::new()
        };
        Ok(Arc::new(engine) as Arc<dyn Engine>)
    })
}

fn put(key: &str) -> Group {
    let put = Put {
        domain: String::from("default"),
        key: key.as_bytes().to_vec(),
        value: b"v".to_vec(),
        lease: None,
        ttl_ms: None,
        tags: Vec::new(),
        previous: false,
    };
    let transaction = Transaction {
        stamp: None,
        compares: Vec::new(),
        then: vec![Operation::Put(put)],
        otherwise: Vec::new(),
    };
    let mut group = Group::builder(LogTimeMs(1), 0);
    group.push(&Command::Transaction(transaction)).unwrap();
    group.finish()
}

/// The network.
#[derive(Clone)]
struct Calls {
    rafts: Rafts,
    target: MemberId,
}

impl Calls {
    fn reach(&self) -> Result<Raft, RPCError<TypeConfig>> {
        self.rafts
            .lock()
            .get(&self.target)
            .cloned()
            .ok_or_else(|| RPCError::Unreachable(Unreachable::from_string("the member is down")))
    }
}

fn down(error: impl std::fmt::Display) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(error))
}

impl RaftNetworkFactory<TypeConfig> for Calls {
    type Network = Calls;

    async fn new_client(&mut self, target: MemberId, _: &Member) -> Calls {
        Calls {
            rafts: Arc::clone(&self.rafts),
            target,
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Calls {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.reach()?.append_entries(request).await.map_err(down)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.reach()?.vote(request).await.map_err(down)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let raft = self
            .reach()
            .map_err(|_| StreamingError::Unreachable(Unreachable::from_string("down")))?;
        raft.install_full_snapshot(vote, snapshot)
            .await
            .map_err(|error| StreamingError::Unreachable(Unreachable::from_string(error)))
    }
}
