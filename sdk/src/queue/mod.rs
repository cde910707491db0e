//! Work queues: items wait, are claimed for a while, and are acknowledged or come back.
//!
//! Delivery is at least once, acknowledgement exactly once: an item whose claim ran out is claimed again, and from then on
//! the receipt of the earlier claim is refused. What must happen once goes into one transaction with [`Claimed::ack_op`].

mod call;
mod claim;
mod claimed;
mod config;
mod item;
mod op;
mod query;
mod snapshot;
mod sync;

pub use call::Queue;
pub use claim::ClaimItems;
pub use claimed::{Claimed, NackClaimed};
pub use config::QueueConfig;
pub use item::{ClaimedItem, ItemState, NewItem, PushItem, Pushed, Receipt, Swept};
pub use op::{QueueOp, QueueOpReply};
pub use query::{PeekPage, QueueItem, QueueStats};
pub use snapshot::QueueSnapshot;
pub use sync::{ItemPlace, QueueSynced, SyncQueue};
