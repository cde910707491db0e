//! The eventual tier: a road of its own beside the strong one.
//!
//! The replicated object, shards with dotted clocks, is the crate `quorate_eventual`, which knows neither network nor disk
//! nor time; `ALGORITHM.md` there says how it works. Here are the parts that a member adds: who its peers are and how far
//! each has what this one wrote, the streams between them, and the waiting that clients may ask for.
//!
//! ```text
//! grpc/eventual -> tier.rs -> crate: shard              a write is done when it is in this member's memory
//!                    |-> replication/pusher.rs -> link.rs -> (network) -> receive.rs -> crate: frame -> shard
//!                    |-> wait.rs                        until enough peers have it, or this member has enough
//! ```
//!
//! Invariants
//! * Nothing here passes through the Raft log, and nothing waits for it: what has to be agreed (domains, processes that
//!   are gone for good) is read from what the state machine has published.
//! * What is kept for a peer that does not answer is bounded; past the bound it costs nothing more, and the peer gets whole
//!   shards later.

mod changes;
mod cold;
mod disk;
mod freshness;
mod heal;
mod limits;
pub mod memory;
mod peers;
mod replication;
mod retirement;
mod sweep;
#[cfg(test)]
mod testing;
mod tier;
mod wait;

pub use changes::Changes;
pub use cold::LostValue;
pub use disk::{Disk, DiskError, Loaded};
pub use heal::Heal;
pub use limits::{Full, NotWritten, Pressure};
pub use peers::{Peer, Peers};
pub use replication::{AskPeers, Clocks, PushService, Replication};
pub use retirement::{Retirement, Survey};
pub use sweep::Sweep;
pub use tier::{EventualOptions, Tier};
pub use wait::{Unmet, WaitFor};
