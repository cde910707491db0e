//! The parts of a member, opened in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_eventual::ActorId;
use quorate_proto::internal as proto;
use quorate_proto::internal::eventual_server::EventualServer;
use quorate_proto::internal::raft_server::RaftServer;
use tokio::sync::watch;

use super::NodeError;
use super::background::Background;
use super::directory::{DataDirectory, DirectoryError};
use super::founding::{self, FoundingError};
use super::stagger;
use crate::config::NodeConfig;
use crate::consensus::network::{Identity, Incoming, PeerNetwork, PeerService, Roster, TcpTransport, Transport};
use crate::consensus::{
    Backlog, LeaseKeeper, LogClock, Membership, Outlook, Proposer, Raft, ReadGate, decode_membership, raft_config,
};
use crate::environment::{Clock, Random, SystemClock, SystemRandom};
use crate::eventual::{AskPeers, Disk as EntryDisk, EventualOptions, PushService, Replication, Sweep, Tier};
use crate::grpc::{Api, Collector};
use crate::http::Observed;
use crate::log_store::{Disk, FileDisk, LogOptions, LogStore};
use crate::mvcc::DomainTable;
use crate::request::{Requests, WaitingSpans};
use crate::space::Space;
use crate::state_machine::{EngineUse, OpenEngine, StateMachine, StateStore};
use crate::storage::{Engine, OnReadFailure, RocksEngine, RocksOptions, StorageError};
use crate::tls::{PlainTransport, SecureTransport, Sides, advertised_in_vain};

/// A collector, and the spans that wait for it.
type Export = (Collector, WaitingSpans);

/// Everything a running member consists of.
pub(super) struct Parts {
    config: Arc<NodeConfig>,
    directory: DataDirectory,
    roster: Arc<Roster>,
    network: PeerNetwork,
    store: Arc<StateStore>,
    pub(super) log: LogStore,
    pub(super) raft: Raft,
    requests: Arc<Requests>,
    spans: Mutex<Option<Export>>,
    proposer: Proposer,
    reads: ReadGate,
    leases: LeaseKeeper,
    clock: Arc<LogClock>,
    space: Arc<Space>,
    pub(super) sides: Sides,
    outlook: Arc<Outlook>,
    pub(super) tier: Arc<Tier>,
    entries: EntryDisk,
    /// Why the eventual tier cannot go on.
    pub(super) tier_failed: watch::Sender<Option<String>>,
    pub(super) diverged: watch::Sender<Option<String>>,
    /// Set when a read of the state has failed.
    pub(super) unreadable: watch::Sender<Option<String>>,
    clients: Mutex<Option<Incoming>>,
    peers: Mutex<Option<Incoming>>,
    pub(super) client_address: std::net::SocketAddr,
    pub(super) peer_address: std::net::SocketAddr,
}

impl Parts {
    /// Opens disk and network and starts consensus, on the runtime of the caller.
    pub(super) async fn open(config: Arc<NodeConfig>) -> Result<Self, NodeError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sides = Sides::open(&config)?;
        if let Some(problem) = advertised_in_vain(&config, &sides) {
            tracing::warn!("{problem}");
        }
        let plain: Arc<dyn Transport> = Arc::new(TcpTransport);
        let transport: Arc<dyn Transport> = match &sides.peer {
            Some(side) => Arc::new(SecureTransport::new(Arc::clone(&plain), Arc::clone(side))),
            None => Arc::new(PlainTransport::new(Arc::clone(&plain))),
        };
        let mut directory = DataDirectory::open(&config.data_directory, config.member_id, &SystemRandom)?;
        let (peer_address, peers) = listen(&transport, "listen_peer", config.listen_peer).await?;
        let (client_address, clients) = listen(&plain, "listen_client", config.listen_client).await?;

        let me = Identity {
            member: config.member_id,
            directory: directory.id(),
        };
        let roster = Arc::new(Roster::new(me, directory.cluster_id()));
        let backlog = Backlog::default();
        let network = PeerNetwork::new(Arc::clone(&roster), transport, backlog.clone());
        let log = open_log(&config, &mut directory)?;
        let unreadable = watch::Sender::new(None);
        let engines = open_engine(&config, unreadable.clone());
        let (store, state) = StateStore::open(directory.path(), engines).map_err(NodeError::State)?;
        know_members(&roster, &store).map_err(NodeError::State)?;
        let (requests, spans) = follow(&config, &roster, &log)?;
        let settings = raft_config(&config.raft).map_err(|error| NodeError::Start(error.to_string()))?;
        let raft = Raft::new(
            config.member_id,
            Arc::new(settings),
            network.clone(),
            log.clone(),
            StateMachine::new(Arc::clone(&store), state).followed(Arc::clone(&requests)),
        )
        .await
        .map_err(|error| NodeError::Consensus(error.to_string()))?;

        let actor = ActorId(SystemRandom.nonzero_u64());
        let tier = Tier::new(
            actor,
            EventualOptions::of(&config.eventual, &config.limits),
            Arc::clone(&clock),
        );
        let entries = open_entries(&config, &directory, &tier, store.domains().load()).await?;
        let log_clock = Arc::new(LogClock::new(Arc::clone(&clock), Arc::clone(&store)));
        let waiting_max = usize::try_from(config.limits.calls_outstanding_max).unwrap_or(usize::MAX >> 4);
        let proposer = Proposer::start(raft.clone(), Arc::clone(&log_clock), log.times(), backlog, waiting_max);
        let reads = ReadGate::start(
            raft.clone(),
            &store,
            Arc::clone(&clock),
            network.clone(),
            Arc::clone(&roster),
        );
        let leases = LeaseKeeper::new(raft.clone(), reads.clone(), Arc::clone(&store), clock);
        tokio::spawn(leases.clone().run(proposer.clone()));
        Ok(Self {
            config,
            directory,
            roster,
            network,
            store,
            log,
            raft,
            requests,
            spans: Mutex::new(spans),
            proposer,
            reads,
            leases,
            clock: log_clock,
            space: Arc::new(Space::default()),
            sides,
            outlook: Arc::default(),
            tier,
            entries,
            tier_failed: watch::Sender::new(None),
            diverged: watch::Sender::new(None),
            unreadable,
            clients: Mutex::new(Some(clients)),
            peers: Mutex::new(Some(peers)),
            client_address,
            peer_address,
        })
    }

    pub(super) fn membership(&self) -> Membership {
        Membership::new(
            self.raft.clone(),
            Arc::clone(&self.roster),
            self.network.clone(),
            Arc::clone(&self.store),
        )
    }

    pub(super) fn api(&self) -> Arc<Api> {
        Api::new(
            self.config.limits.clone(),
            self.proposer.clone(),
            self.reads.clone(),
            Arc::clone(&self.store),
            self.log.clone(),
            self.raft.clone(),
            Arc::clone(&self.roster),
            self.membership(),
            Arc::clone(&self.space),
            self.leases.clone(),
            Arc::new(SystemClock),
            Arc::clone(&self.tier),
            AskPeers::new(Arc::clone(&self.roster), self.network.clone()),
            self.network.clone(),
            Duration::from_millis(self.config.cache.lease_ms),
            Arc::clone(&self.requests),
        )
    }

    /// What the pages are made of.
    pub(super) fn observed(&self, api: &Arc<Api>) -> Observed {
        Observed {
            api: Arc::clone(api),
            raft: self.raft.clone(),
            proposer: self.proposer.clone(),
            clock: Arc::clone(&self.clock),
            reads: self.reads.clone(),
            store: Arc::clone(&self.store),
            log: self.log.clone(),
            roster: Arc::clone(&self.roster),
            outlook: Arc::clone(&self.outlook),
            space: Arc::clone(&self.space),
            tier: Arc::clone(&self.tier),
            diverged: self.diverged.subscribe(),
        }
    }

    pub(super) fn background(&self) -> Background {
        Background {
            config: Arc::clone(&self.config),
            raft: self.raft.clone(),
            proposer: self.proposer.clone(),
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&self.store),
            log: self.log.clone(),
            roster: Arc::clone(&self.roster),
            network: self.network.clone(),
            space: Arc::clone(&self.space),
            tier: Arc::clone(&self.tier),
            outlook: Arc::clone(&self.outlook),
            diverged: self.diverged.clone(),
        }
    }

    pub(super) fn peer_service(&self) -> RaftServer<PeerService> {
        let (roster, config, raft) = (Arc::clone(&self.roster), Arc::clone(&self.config), self.raft.clone());
        let persist = self.directory.cluster_writer();
        let identify = move |request: &proto::IdentifyRequest| {
            identify(request, &roster, &config, &raft, &persist)
                .map_err(|error| tonic::Status::internal(format!("the cluster id cannot be written: {error}")))
        };
        PeerService::server(
            self.raft.clone(),
            Arc::clone(&self.roster),
            Arc::clone(&self.store),
            self.reads.clone(),
            Arc::clone(&self.space),
            self.tier.store.id(),
            self.config.cache.lease_ms,
            Arc::new(identify),
        )
    }

    /// What peers send of the eventual tier is applied on `runtime`.
    pub(super) fn push_service(&self, runtime: tokio::runtime::Handle) -> EventualServer<PushService> {
        let (tier, roster) = (Arc::clone(&self.tier), Arc::clone(&self.roster));
        PushService::server(tier, roster, Arc::clone(&self.store), runtime)
    }

    /// Sends what is written to the eventual tier to the other members.
    pub(super) fn replication(&self) -> Replication {
        Replication::new(Arc::clone(&self.tier), Arc::clone(&self.roster), self.network.clone())
    }

    /// Keeps what the eventual tier has on disk, and within its bounds, on the runtime of the caller.
    pub(super) fn keep_tier(&self) {
        let (tier, failed) = (Arc::clone(&self.tier), self.tier_failed.clone());
        let disk = tokio::spawn(self.entries.clone().run(Arc::clone(&tier), failed.clone()));
        let sweep = tokio::spawn(Sweep::new(tier, self.config.member_id).run(Arc::clone(&self.store), failed.clone()));
        // Both run as long as the member. Each says why it ends, but for a panic.
        tokio::spawn(async move {
            let ended = futures::future::select(disk, sweep).await;
            let panicked = match ended {
                futures::future::Either::Left((ended, _)) | futures::future::Either::Right((ended, _)) => {
                    ended.is_err()
                }
            };
            if panicked {
                failed.send_replace(Some(String::from("a task of it has failed; the log says where")));
            }
        });
    }

    /// Founds the cluster if that is this member's to do.
    pub(super) fn found(&self) -> impl Future<Output = Result<(), FoundingError>> + Send + 'static {
        let (config, raft, roster) = (Arc::clone(&self.config), self.raft.clone(), Arc::clone(&self.roster));
        let network = self.network.clone();
        let persist = self.directory.cluster_writer();
        async move {
            let random: Arc<dyn Random> = Arc::new(SystemRandom);
            founding::found(&config, &raft, &roster, &network, random, persist).await
        }
    }

    /// Brings spans to their collector until `stopped`, and then what waits; nothing the second time, or without one.
    pub(super) fn export_spans(
        &self,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let export = self.spans.lock().take();
        async move {
            if let Some((collector, waiting)) = export {
                collector.run(waiting, stopped).await;
            }
        }
    }

    /// Connections of peers; empty the second time.
    pub(super) fn take_peers(&self) -> Incoming {
        take(&self.peers)
    }

    /// Connections of clients; empty the second time.
    pub(super) fn take_clients(&self) -> Incoming {
        take(&self.clients)
    }

    /// Puts on disk what only spares the next start some work.
    pub(super) async fn close(&self) {
        if let Err(error) = self.log.shutdown().await {
            tracing::warn!(%error, "the log was not closed cleanly");
        }
        if let Err(error) = self.entries.close(&self.tier) {
            tracing::warn!(%error, "the newest entries of the eventual tier are not on this member's disk");
        }
        if let Err(error) = self.store.engine().flush() {
            tracing::warn!(%error, "the state was not flushed; the log replays it");
        }
    }
}

/// Follows the requests of this member; with a collector for their spans, and those that wait for it, if it has one.
fn follow(
    config: &NodeConfig,
    roster: &Arc<Roster>,
    log: &LogStore,
) -> Result<(Arc<Requests>, Option<Export>), NodeError> {
    let roster = Arc::clone(roster);
    let cluster_id = Box::new(move || roster.cluster_id());
    let requests = Requests::new(cluster_id, log.times(), config.log.slow_call_ms);
    if config.tracing.otlp_endpoint.is_empty() {
        return Ok((Arc::new(requests), None));
    }
    let share = u32::try_from(config.tracing.sample_per_million).unwrap_or(u32::MAX);
    let (requests, waiting) = requests.with_spans(share, config.member_id);
    let counts = Arc::clone(requests.span_counts());
    let collector = Collector::new(&config.tracing, config.member_id, counts)?;
    Ok((Arc::new(requests), Some((collector, waiting))))
}

/// Everything that the eventual tier has on disk, in memory.
async fn open_entries(
    config: &NodeConfig,
    directory: &DataDirectory,
    tier: &Arc<Tier>,
    domains: Arc<DomainTable>,
) -> Result<EntryDisk, NodeError> {
    let (path, cluster) = (config.data_directory.join("eventual"), directory.cluster_id());
    let tier = Arc::clone(tier);
    let opened = tokio::task::spawn_blocking(move || EntryDisk::open(&path, cluster, &tier, &domains)).await;
    let (entries, _) = opened.map_err(|error| NodeError::Start(error.to_string()))??;
    Ok(entries)
}

fn take(incoming: &Mutex<Option<Incoming>>) -> Incoming {
    incoming
        .lock()
        .take()
        .unwrap_or_else(|| Box::pin(futures::stream::empty()))
}

async fn listen(
    transport: &Arc<dyn Transport>,
    setting: &'static str,
    address: std::net::SocketAddr,
) -> Result<(std::net::SocketAddr, Incoming), NodeError> {
    transport.listen(address).await.map_err(|source| NodeError::Listen {
        setting,
        address,
        source,
    })
}

/// Gives the roster the stored membership before the first peer is served: until it knows a directory, it cannot refuse
/// another one.
fn know_members(roster: &Roster, store: &StateStore) -> std::io::Result<()> {
    let Some(bytes) = store.membership() else {
        return Ok(());
    };
    let stored = decode_membership(&bytes).map_err(std::io::Error::other)?;
    roster.set_members(stored.nodes().map(|(id, member)| (*id, member.clone())).collect());
    Ok(())
}

/// The log. It exists for as long as its directory does: one that is gone is not made anew, for the member would vote
/// again in terms it has voted in.
pub(super) fn open_log(config: &NodeConfig, directory: &mut DataDirectory) -> Result<LogStore, NodeError> {
    let disk = FileDisk::open(config.data_directory.join("log")).map_err(NodeError::State)?;
    let empty = !disk
        .list()
        .map_err(NodeError::State)?
        .iter()
        .any(|name| name.ends_with(".log"));
    if empty && directory.log_made() {
        return Err(DirectoryError::LogLost(directory.path().to_owned()).into());
    }
    let options = LogOptions {
        segment_bytes: config.storage.log_segment_bytes,
        tail_bytes: config.storage.log_tail_bytes,
        ..LogOptions::default()
    };
    let log = LogStore::open(disk, options)?;
    directory.set_log_made()?;
    Ok(log)
}

fn bytes(setting: u64) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}

/// `unreadable` is set by the first read that fails.
pub(super) fn open_engine(config: &NodeConfig, unreadable: watch::Sender<Option<String>>) -> OpenEngine {
    let options = RocksOptions {
        block_cache_bytes: bytes(config.storage.block_cache_bytes),
        write_buffer_bytes: bytes(stagger::at_most(config.storage.write_buffer_bytes, &SystemRandom)),
        ..RocksOptions::default()
    };
    let on_read_failure: OnReadFailure = Arc::new(move |error| {
        unreadable.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert_with(|| error.to_string());
            first
        });
    });
    Arc::new(
        move |directory: &Path, usage| -> Result<Arc<dyn Engine>, StorageError> {
            let engine = match usage {
                EngineUse::Live => RocksEngine::open(directory, options.clone())?,
                EngineUse::Look => RocksEngine::open_read_only(directory)?,
            };
            Ok(Arc::new(engine.telling(Arc::clone(&on_read_failure))))
        },
    )
}

/// Says who this member is. It takes the cluster id that it is offered if it has none, and if the one who offers is a
/// founder it was configured with, or if it was started to join.
fn identify(
    request: &proto::IdentifyRequest,
    roster: &Roster,
    config: &NodeConfig,
    raft: &Raft,
    persist: &dyn Fn(u64) -> std::io::Result<()>,
) -> std::io::Result<proto::IdentifyResponse> {
    let me = roster.me();
    let known = config.cluster.join || config.cluster.members.iter().any(|founder| founder.id == request.from);
    let meant = request.expected_member_id == me.member;
    if request.adopt_cluster_id != 0 && known && meant {
        roster.adopt_cluster(request.adopt_cluster_id, persist)?;
    }
    let initialized = {
        use openraft::async_runtime::WatchReceiver;
        raft.metrics().borrow_watched().last_log_index.is_some()
    };
    Ok(proto::IdentifyResponse {
        member_id: me.member,
        directory_id: me.directory.0,
        cluster_id: roster.cluster_id(),
        client_address: config.client_address(),
        initialized,
        feature_level: quorate_proto::FEATURE_LEVEL,
    })
}
