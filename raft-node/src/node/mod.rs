//! Wires a member together: what starts in which order, and what stops in which.
//!
//! Start: pages -> directory (whose is it, is it free) -> log -> state -> consensus -> peers -> founding -> clients. Clients
//! come last, so that nothing is answered before it can be answered well. Stop: the member says that it is not ready;
//! leadership is handed on, and what was written to the eventual tier; then clients, peers, consensus, log, state, pages.
//!
//! Raft and its connections run on a runtime of their own: client load must not delay a heartbeat.

mod actor_watch;
mod background;
mod descriptors;
mod directory;
mod founding;
mod notify;
mod pages;
mod parts;
mod peer_watch;
mod restore;
mod stagger;

pub use directory::{DataDirectory, DirectoryError};
pub use founding::FoundingError;
pub use restore::{RestoreError, Restored, SavedSnapshot, restore};

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;

use crate::config::{ConfigError, NodeConfig};
use crate::consensus::Raft;
use crate::eventual::DiskError;
use crate::grpc::{self, CollectorError, ServeError};
use crate::log_store::{LogError, LogStore};
use crate::tls;
use pages::Pages;
use parts::Parts;

/// A planned stop waits no longer than this for leadership to be handed on, and for consensus to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// A planned stop waits no longer than this until other members have what clients wrote to the eventual tier.
const HAND_ON_TIMEOUT: Duration = Duration::from_secs(2);
/// Calls in work get their answers within this; streams that stay open are cut then.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a member ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its certificates cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Its log cannot be opened or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its state cannot be opened.
    #[error("the state cannot be opened: {0}")]
    State(std::io::Error),
    /// A read of its state failed: the disk fails, or a file of the state is damaged.
    #[error("the state cannot be read: {0}: replace this member, and its disk if that is failing")]
    Unreadable(String),
    /// An address cannot be listened on.
    #[error("{setting} = {address}: {source}: another process listens there, or the address is not this machine's")]
    Listen {
        /// The setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A runtime or a setting of consensus.
    #[error("the member cannot start: {0}")]
    Start(String),
    /// The cluster cannot be founded from here.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// Consensus stopped: a disk failed, or the state could not be applied. The member must not go on.
    #[error("consensus stopped: {0}")]
    Consensus(String),
    /// Its state differs from the majority's. It must not answer any more.
    #[error("{0}")]
    Diverged(String),
    /// The entries of the eventual tier cannot be read.
    #[error(transparent)]
    Entries(#[from] DiskError),
    /// The eventual tier cannot go on.
    #[error("the eventual tier stopped: {0}")]
    Tier(String),
    /// There is no way to the collector of spans.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// A server ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs a member until `shutdown`, or until it fails.
pub async fn run(config: NodeConfig, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
    let raft_runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(raft_threads(config.raft.threads))
        .thread_name("quorate-raft")
        .enable_all()
        .build()
        .map_err(|error| NodeError::Start(error.to_string()))?;
    let handle = raft_runtime.handle().clone();
    let result = serve(config, handle, shutdown).await;
    raft_runtime.shutdown_background();
    if result.is_ok() {
        tracing::info!("stopped");
    }
    result
}

/// As many as configured; see [`config::Raft::threads`](crate::config::Raft::threads).
fn raft_threads(configured: u64) -> usize {
    match usize::try_from(configured) {
        Ok(0) => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            if processors <= 2 { 1 } else { 2 }
        }
        configured => configured.unwrap_or(1),
    }
}

async fn serve(
    config: NodeConfig,
    raft_runtime: tokio::runtime::Handle,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let config = Arc::new(config);
    let pages = Pages::open(&config).await?;
    let site = Arc::clone(&pages.site);
    let parts = join(raft_runtime.spawn(Parts::open(Arc::clone(&config)))).await?;
    let api = parts.api();
    site.observe(parts.observed(&api));
    let (stop, stopped) = watch::channel(false);
    let mut peers = raft_runtime.spawn(grpc::serve_peers(
        parts.peer_service(),
        parts.push_service(tokio::runtime::Handle::current()),
        grpc::CachePeers(Arc::clone(&api)),
        parts.take_peers(),
        parts.sides.peer.clone(),
        Arc::clone(&site.peers),
        told(stopped.clone()),
    ));
    let founding = raft_runtime.spawn(parts.found());
    let raft = parts.raft.clone();
    let log = parts.log.clone();
    raft_runtime.spawn({
        let background = parts.background();
        async move { background.start() }
    });
    // On this runtime, not on Raft's: there is much of it, and none of it is urgent.
    let mut replication = tokio::spawn(parts.replication().run());
    parts.keep_tier();
    tokio::spawn(tls::follow(
        parts.sides.clone(),
        Duration::from_millis(config.tls.reload_interval_ms),
        Arc::clone(&site.tls),
    ));
    let mut clients = tokio::spawn(grpc::serve_clients(
        api,
        parts.take_clients(),
        parts.sides.client.clone(),
        descriptors::room_for_clients(config.limits.connections_max),
        Arc::clone(&site.clients),
        pages.ready.clone(),
        told(stopped.clone()),
    ));
    let (end_spans, spans_end) = watch::channel(false);
    let spans = tokio::spawn(parts.export_spans(told(spans_end)));
    tracing::info!(
        member = config.member_id, client = %parts.client_address, peer = %parts.peer_address, http = pages.address(),
        "member is up"
    );
    notify::tell(notify::Stage::Ready);

    tokio::pin!(shutdown);
    let founded = async {
        match founding.await {
            Ok(Ok(())) => std::future::pending().await,
            Ok(Err(error)) => NodeError::Founding(error),
            Err(error) => NodeError::Start(error.to_string()),
        }
    };
    let result = tokio::select! {
        () = &mut shutdown => Ok(()),
        error = founded => Err(error),
        error = failed(&raft) => Err(error),
        error = log_failed(&log) => Err(error),
        error = diverged(&parts) => Err(error),
        error = unreadable(&parts) => Err(error),
        error = tier_failed(&parts) => Err(error),
        _ = &mut replication => Err(NodeError::Tier(String::from("nothing is sent to the other members any more"))),
        ended = &mut clients => Err(server_ended(ended, "clients")),
        ended = &mut peers => Err(server_ended(ended, "peers")),
    };
    site.stops();
    if result.is_ok() {
        tracing::info!("stopping");
        notify::tell(notify::Stage::Stopping);
        hand_leadership_on(&parts).await;
        hand_writes_on(&parts).await;
    }
    // The receivers of the servers may be gone already.
    let _ = stop.send(true);
    let servers = futures::future::join(clients, peers);
    if result.is_ok() {
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, servers).await;
    }
    replication.abort();
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, raft.shutdown()).await;
    // It ends by itself, within a bound.
    let _ = end_spans.send(true);
    let _ = spans.await;
    parts.close().await;
    pages.close();
    result
}

/// A member that serves nobody, or hears nobody, must not go on as if it did.
fn server_ended(ended: Result<Result<(), ServeError>, tokio::task::JoinError>, side: &str) -> NodeError {
    match ended {
        Ok(Err(error)) => NodeError::Serve(error),
        Ok(Ok(())) => NodeError::Start(format!("the server of the {side} ended")),
        Err(error) => NodeError::Start(format!("the server of the {side} ended: {error}")),
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn join<T>(task: tokio::task::JoinHandle<Result<T, NodeError>>) -> Result<T, NodeError> {
    task.await
        .unwrap_or_else(|error| Err(NodeError::Start(error.to_string())))
}

/// Resolves when this member's state was found to differ from the majority's.
async fn diverged(parts: &Parts) -> NodeError {
    let mut diverged = parts.diverged.subscribe();
    match diverged.wait_for(Option::is_some).await {
        Ok(reason) => NodeError::Diverged(reason.clone().unwrap_or_default()),
        Err(_) => std::future::pending().await,
    }
}

/// Resolves when a read of the state has failed: whoever read it was told, and the next one would be.
async fn unreadable(parts: &Parts) -> NodeError {
    let mut unreadable = parts.unreadable.subscribe();
    match unreadable.wait_for(Option::is_some).await {
        Ok(reason) => NodeError::Unreadable(reason.clone().unwrap_or_default()),
        Err(_) => std::future::pending().await,
    }
}

/// Resolves when the eventual tier cannot go on.
async fn tier_failed(parts: &Parts) -> NodeError {
    let mut failed = parts.tier_failed.subscribe();
    match failed.wait_for(Option::is_some).await {
        Ok(reason) => NodeError::Tier(reason.clone().unwrap_or_default()),
        Err(_) => std::future::pending().await,
    }
}

/// Resolves when the log has failed: what it acknowledged is safe, and it acknowledges nothing more.
async fn log_failed(log: &LogStore) -> NodeError {
    let mut failed = log.failed();
    match failed.wait_for(Option::is_some).await {
        Ok(error) => error
            .clone()
            .map_or_else(|| NodeError::Consensus(String::from("the log ended")), NodeError::Log),
        Err(_) => NodeError::Consensus(String::from("the log ended")),
    }
}

/// Resolves when consensus has stopped by itself.
async fn failed(raft: &Raft) -> NodeError {
    // These change with the term and the members, and end with consensus; those that say why change with every entry,
    // and whoever waits for them is woken as often.
    let mut ending = raft.server_metrics();
    while ending.changed().await.is_ok() {}
    match &raft.metrics().borrow_watched().running_state {
        Err(fatal) => NodeError::Consensus(fatal.to_string()),
        Ok(()) => NodeError::Consensus(String::from("it ended")),
    }
}

/// What clients wrote to the eventual tier goes to the members that can be reached; volatile domains are nowhere else.
async fn hand_writes_on(parts: &Parts) {
    parts.tier.close();
    if !parts.tier.handed_on(HAND_ON_TIMEOUT).await {
        tracing::warn!("some writes to the eventual tier are on no other member that can be reached");
    }
}

/// Saves the cluster an election time-out. A member that does not lead has nothing to hand on.
async fn hand_leadership_on(parts: &Parts) {
    let membership = parts.membership();
    if !parts.raft.is_leader() {
        return;
    }
    match tokio::time::timeout(SHUTDOWN_TIMEOUT, membership.transfer(None)).await {
        Ok(Ok(leader)) => tracing::info!(leader, "leadership handed on"),
        Ok(Err(error)) => tracing::info!(%error, "leadership not handed on"),
        Err(_) => tracing::info!("leadership not handed on in time"),
    }
}
