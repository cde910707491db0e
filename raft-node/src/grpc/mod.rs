//! Client calls. Decodes and checks requests, waits for consensus, answers; makes every `tonic::Status`.
//!
//! Two ways in, one way through: a unary call and a call of the stream become the same `work::Work`, so that they
//! cannot differ in what they check or mean.
//!
//! Invariants
//! * Every limit is checked before anything is proposed or read, and each refusal names the limit and the value.
//! * The number of calls being worked on, and the bytes of their requests, are bounded. A reply counts apart until it is handed
//!   to the connection: a client that does not read is not read from, and takes nobody's place.

mod admission;
mod api;
mod arriving;
mod calls;
mod cluster;
mod collector;
mod connections;
mod coordination;
mod counted;
mod domains;
mod door;
mod error;
mod eventual;
mod followed;
mod framing;
mod greeting;
mod kv;
mod leases;
mod leaving;
mod locks;
mod newcomers;
mod places;
mod queues;
mod reply;
mod request;
mod serve;
mod snapshot_save;
mod unread;
mod validate;
mod watch;
mod work;
mod workers;

pub use api::Api;
pub use arriving::CutCounts;
pub use calls::CallsService;
pub use cluster::ClusterService;
pub use collector::{Collector, CollectorError};
pub use coordination::CoordinationService;
pub use domains::DomainsService;
pub use eventual::EventualService;
pub use kv::{KvService, SessionService};
pub use serve::{ServeError, serve_clients, serve_peers};
pub use watch::{CachePeers, WatchService};
