//! Between members: one connection for replication, one for heartbeats, votes and read indexes, one for snapshots, so
//! that a large entry never delays the proof that the leader lives.
//!
//! Every call names the cluster, both members and both data directories. `identity` refuses a call from another
//! cluster, one that is meant for another member or directory, and one whose sender is known under another directory:
//! a member of another cluster or a wiped directory under an old id never takes part. With TLS the sender's certificate must be
//! that of the member it says it is, and the one who connects refuses a member that it did not mean. A sender that is not in the
//! membership is accepted, also one that was removed: a member that lags behind must hear a leader that it does not
//! know yet. Terms, logs and quorums are left to Raft.

mod caller;
mod client;
mod commits;
mod factory;
mod identity;
mod lane;
mod line;
mod patience;
mod server;
mod snapshot_receive;
mod snapshot_send;
mod transport;
mod wire;

pub use caller::Caller;
pub use client::PeerClient;
pub use factory::PeerNetwork;
pub use identity::{Identity, Roster};
pub use line::Line;
pub use server::PeerService;
pub use transport::{BoxIo, Incoming, TcpTransport, Transport};
