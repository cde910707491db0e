//! Assembles the servers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::internal::caches_server::CachesServer;
use quorate_proto::internal::eventual_server::EventualServer as PeerEventualServer;
use quorate_proto::internal::raft_server::RaftServer;
use quorate_proto::v1::calls_server::CallsServer;
use quorate_proto::v1::cluster_server::ClusterServer;
use quorate_proto::v1::coordination_server::CoordinationServer;
use quorate_proto::v1::domains_server::DomainsServer;
use quorate_proto::v1::eventual_server::EventualServer;
use quorate_proto::v1::kv_server::KvServer;
use quorate_proto::v1::session_server::SessionServer;
use quorate_proto::v1::watch_server::WatchServer;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::connections;
use super::counted::CountCalls;
use super::{
    Api, CachePeers, CallsService, ClusterService, CoordinationService, DomainsService, EventualService, KvService,
    SessionService, WatchService,
};
use crate::consensus::network::{Incoming, PeerService};
use crate::eventual::PushService;
use crate::metrics::Open;

/// A message may hold many calls, each checked against its own limit; beyond this gRPC refuses it unread.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// What comes in one piece. By default 16 KiB, and each piece is a call of the system and a wake-up.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// A client that answers no ping for this long is gone.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const STREAMS_PER_CONNECTION_MAX: u32 = 1024;
/// What can be asked for its health; the empty name is the member as a whole.
const SERVICES: [&str; 9] = [
    "",
    "quorate.v1.Kv",
    "quorate.v1.Calls",
    "quorate.v1.Coordination",
    "quorate.v1.Domains",
    "quorate.v1.Watch",
    "quorate.v1.Eventual",
    "quorate.v1.Session",
    "quorate.v1.Cluster",
];

/// A server ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the server of the {side} failed: {reason}")]
pub struct ServeError {
    side: &'static str,
    reason: String,
}

/// Serves clients until `shutdown`.
pub async fn serve_clients(
    api: Arc<Api>,
    incoming: Incoming,
    open: Open,
    ready: watch::Receiver<bool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let failed = |reason: String| ServeError {
        side: "clients",
        reason,
    };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let following = tokio::spawn(follow_readiness(health_reporter, ready));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(quorate_proto::DESCRIPTORS)
        .build_v1()
        .map_err(|error| failed(error.to_string()))?;
    let ended = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .layer(CountCalls(Arc::clone(&api.books.rpc)))
        .add_service(health)
        .add_service(reflection)
        .add_service(KvServer::new(KvService(Arc::clone(&api))).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(CallsServer::new(CallsService(Arc::clone(&api))).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(CoordinationServer::new(CoordinationService(Arc::clone(&api))))
        .add_service(DomainsServer::new(DomainsService(Arc::clone(&api))))
        .add_service(WatchServer::new(WatchService(Arc::clone(&api))))
        .add_service(
            EventualServer::new(EventualService(Arc::clone(&api))).max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(SessionServer::new(SessionService(Arc::clone(&api))))
        .add_service(ClusterServer::new(ClusterService(Arc::clone(&api))))
        .serve_with_incoming_shutdown(connections::counted(incoming, open), async {
            shutdown.await;
            // Those who watch go on at another member at once.
            api.watches.close();
        })
        .await
        .map_err(|error| failed(error.to_string()));
    following.abort();
    ended
}

/// Whoever asks the health of a server, or of a service, is told whether the member is ready.
async fn follow_readiness(reporter: HealthReporter, mut ready: watch::Receiver<bool>) {
    loop {
        let status = match *ready.borrow_and_update() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
        if ready.changed().await.is_err() {
            return;
        }
    }
}

/// Serves the other members until `shutdown`.
pub async fn serve_peers(
    peers: RaftServer<PeerService>,
    eventual: PeerEventualServer<PushService>,
    caches: CachePeers,
    incoming: Incoming,
    open: Open,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(1)))
        .http2_keepalive_timeout(Some(Duration::from_secs(2)))
        .add_service(peers)
        .add_service(eventual)
        .add_service(CachesServer::new(caches))
        .serve_with_incoming_shutdown(connections::counted(incoming, open), shutdown)
        .await
        .map_err(|error| ServeError {
            side: "peers",
            reason: error.to_string(),
        })
}
