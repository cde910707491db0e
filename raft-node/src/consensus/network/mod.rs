//! Between members: one connection for replication, one for heartbeats, votes and read indexes, one for snapshots, so
//! that a large entry never delays the proof that the leader lives.
//!
//! Every call names the cluster, both members and both data directories; `identity` refuses what does not fit, so
//! that a member of another cluster, a removed one or a wiped directory under an old id never takes part.

mod client;
mod factory;
mod identity;
mod lane;
mod server;
mod snapshot_receive;
mod snapshot_send;
mod transport;
mod wire;

pub use client::PeerClient;
pub use factory::PeerNetwork;
pub use identity::{Identity, Roster};
pub use server::PeerService;
pub use transport::{BoxIo, Incoming, TcpTransport, Transport};
