//! Between members: each sends what it wrote to each other, over one stream a pair and direction.
//!
//! ```text
//! pusher.rs    encodes what was written here once, for all peers, and puts it in the queue of each
//! queue.rs     what waits for one peer; bounded
//! link.rs      the stream to one peer: what is in its queue, and what it says it lacks
//! repair.rs    what a peer lacks by its clocks: operations, or whole shards
//! receive.rs   the stream of one peer to this member: checks, applies, says how far it is
//! ask.rs       questions that need no stream
//! ```

mod ask;
mod clocks;
mod gaps;
mod link;
mod pusher;
mod queue;
mod receive;
mod repair;
mod start;

pub use ask::{AskPeers, Clocks};
pub(super) use clocks::all as all_clocks;
pub use receive::PushService;
#[cfg(test)]
pub(super) use repair::{NotRepaired, repair};
pub use start::Replication;
