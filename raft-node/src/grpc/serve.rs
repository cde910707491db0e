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

use super::arriving::{Arrivals, Watch};
use super::counted::CountCalls;
use super::door::{self, Door, Full, GREETING_TIMEOUT};
use super::{
    Api, CachePeers, CallsService, ClusterService, CoordinationService, DomainsService, EventualService, KvService,
    SessionService, WatchService,
};
use crate::consensus::network::{Incoming, PeerService};
use crate::eventual::PushService;
use crate::metrics::DoorCounts;
use crate::spoken::Spoken;
use crate::tls::{Handshakes, Side};

/// A message may hold many calls, each checked against its own limit; beyond this, or the largest request if that is more,
/// gRPC refuses it unread.
const MESSAGE_BYTES: u64 = 16 << 20;
/// What is in a message besides the largest request.
const MESSAGE_HEAD_BYTES: u64 = 64 << 10;
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// What comes in one piece. By default 16 KiB, and each piece is a call of the system and a wake-up.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// A client that answers no ping for this long is gone.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Streams that a client may take back before the server has looked at them. A client that gives up many calls at once takes
/// back a few; one that wants to keep a server busy, thousands, and its connection is closed.
const RESETS_PENDING_MAX: usize = 64;
/// The same for a member, which gives up on calls that took too long: many at once where this one was busy, and a connection
/// that is closed for it takes the entries along that were on their way.
const PEER_RESETS_PENDING_MAX: usize = 256;
/// Streams of one connection that the server had to take back, since the client broke the rules of HTTP/2 on them. A client
/// that makes no mistakes has none; one that wants the server to drop what it has begun, thousands.
const ERROR_RESETS_MAX: usize = 1024;
/// The other members have a handful of connections each.
const PEER_CONNECTIONS_MAX: u64 = 1024;
/// Of these, connections on which no member has called yet. Each of a member calls at once.
const PEER_STRANGERS_MAX: usize = 128;
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

/// Serves clients until `shutdown`. At most `connections_max` of them are let in, or as many as the limits say; where there is
/// a `side`, after they shook hands.
pub async fn serve_clients(
    api: Arc<Api>,
    incoming: Incoming,
    side: Option<Arc<Side>>,
    connections_max: u64,
    counts: Arc<DoorCounts>,
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
    let limits = &api.limits;
    let message_bytes_max = MESSAGE_BYTES.max(limits.request_bytes_max.saturating_add(MESSAGE_HEAD_BYTES));
    let message_bytes_max = usize::try_from(message_bytes_max).unwrap_or(usize::MAX);
    let incoming = door::let_in(
        incoming,
        client_door(limits.connections_max, connections_max, side, counts),
    );
    let ended = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(narrow(limits.streams_max))
        .http2_max_header_list_size(narrow(limits.header_bytes_max))
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS_MAX))
        .layer(CountCalls(Arc::clone(&api.books)))
        .layer(Watch {
            arrivals: Arrivals::new(limits, Arc::clone(&api.cut)),
            unread: Arc::clone(&api.unread),
        })
        .add_service(health)
        .add_service(reflection)
        .add_service(KvServer::new(KvService(Arc::clone(&api))).max_decoding_message_size(message_bytes_max))
        .add_service(CallsServer::new(CallsService(Arc::clone(&api))).max_decoding_message_size(message_bytes_max))
        .add_service(CoordinationServer::new(CoordinationService(Arc::clone(&api))))
        .add_service(DomainsServer::new(DomainsService(Arc::clone(&api))))
        .add_service(WatchServer::new(WatchService(Arc::clone(&api))).max_decoding_message_size(message_bytes_max))
        .add_service(
            EventualServer::new(EventualService(Arc::clone(&api))).max_decoding_message_size(message_bytes_max),
        )
        .add_service(SessionServer::new(SessionService(Arc::clone(&api))))
        .add_service(ClusterServer::new(ClusterService(Arc::clone(&api))))
        .serve_with_incoming_shutdown(incoming, async {
            shutdown.await;
            // Those who watch go on at another member at once.
            api.watches.close();
        })
        .await
        .map_err(|error| failed(error.to_string()));
    following.abort();
    ended
}

/// `configured` is what the limits say, `room` how many the process can have.
fn client_door(configured: u64, room: u64, side: Option<Arc<Side>>, counts: Arc<DoorCounts>) -> Door {
    let connections_max = configured.min(room);
    let why = match configured <= room {
        true => "which is limits.connections_max",
        false => "which is as many as the files that the process may open allow (LimitNOFILE, ulimit -n)",
    };
    Door {
        connections_max,
        full: Full::Refuse(format!(
            "this member has {connections_max} connections of clients, {why}: use another member, or try again later"
        )),
        handshakes: side.map(Handshakes::new),
        spoken: Spoken::default(),
        greeting: GREETING_TIMEOUT,
        counts,
    }
}

/// Limits that HTTP/2 counts in 32 bits are in ranges far below.
fn narrow(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
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

/// Serves the other members until `shutdown`; where there is a `side`, after they shook hands.
pub async fn serve_peers(
    peers: RaftServer<PeerService>,
    eventual: PeerEventualServer<PushService>,
    caches: CachePeers,
    incoming: Incoming,
    side: Option<Arc<Side>>,
    counts: Arc<DoorCounts>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let door = Door {
        connections_max: PEER_CONNECTIONS_MAX,
        full: Full::PushOut {
            places: Arc::default(),
            strangers_max: PEER_STRANGERS_MAX,
        },
        handshakes: side.map(Handshakes::new),
        spoken: Spoken::default(),
        greeting: GREETING_TIMEOUT,
        counts,
    };
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(1)))
        .http2_keepalive_timeout(Some(Duration::from_secs(2)))
        .http2_max_pending_accept_reset_streams(Some(PEER_RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS_MAX))
        .add_service(peers)
        .add_service(eventual)
        .add_service(CachesServer::new(caches))
        .serve_with_incoming_shutdown(door::let_in(incoming, door), shutdown)
        .await
        .map_err(|error| ServeError {
            side: "peers",
            reason: error.to_string(),
        })
}
