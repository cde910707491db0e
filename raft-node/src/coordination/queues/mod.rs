//! Work queues: items wait, are claimed for a while, and are acknowledged or come back.
//!
//! ```text
//! queue       20 | name                                    -> id, configuration, paused, counts, last change
//! name        21 | queue u64                               -> its name
//! count       22                                           -> how many queues there are
//! ready       23 | queue | 255 - priority u8 | group | item -> claims so far, since when
//! turn        24 | queue | 255 - priority u8 | turn u64     -> group
//! group       25 | queue | group                           -> claims, and its lanes: ready items and turn by priority
//! delayed     26 | queue | item                            -> priority, group, claims so far, when it is due
//! claimed     27 | queue | item                            -> the same, token, deadline, lease, worker
//! dead        28 | queue | item                            -> the same, since when, why
//! timer       29 | due u64 | kind u8 | queue | item         -> dedupe key
//! dedupe      30 | queue | dedupe key                      -> item, until when
//! item        31 | queue | item                            -> payload, when it was enqueued     (in the table of items)
//! checkpoint  32 | queue | item                            -> how far the work is               (in the table of items)
//! ```
//!
//! An item's payload is written once; where the item is says one small row, which is replaced when it moves. A claim is
//! named by its receipt, the item and the revision of the claim. Its token is a fencing token: it is worth nothing from
//! the claim's deadline on, or once the item was claimed again.
//!
//! Invariants
//! * An item that was enqueued and neither acknowledged nor purged is in exactly one state.
//! * The counts of a queue are the numbers of its rows.
//! * A queue's last change is the revision at which an item of it came, went, or came into another state, or at which it
//!   was made, configured, paused or resumed.
//! * A delayed or claimed item has exactly one timer; a dedupe key has one.
//! * A lane has a turn exactly if its group may have more claims, as far as the group was looked at since the limit was
//!   changed.
//! * An operation looks at as many rows as it changes, give or take a constant: the head of everything is the first row
//!   of a prefix of the table that is in memory.
//!
//! Priorities are 0 to 255, and higher goes first: work that says nothing has 0, and everything else goes before it.

mod ack;
mod checkpoint;
mod claim;
mod config;
mod create;
mod dedupe;
mod delete;
mod enqueue;
mod extend;
mod item;
mod nack;
mod operation;
mod order;
mod pause;
mod purge;
mod put_back;
pub mod query;
mod queue;
mod receipt;
mod redrive;
mod sync;
mod tell;
mod timers;

#[cfg(test)]
pub(crate) mod tests;

pub use claim::{Claim, Claimed};
pub use config::{
    ATTEMPTS_MAX, BATCH_MAX, CHECKPOINT_BYTES_MAX, DEDUPE_KEYS_MAX, DEDUPE_WINDOW_MS_MAX, DELAY_MS_MAX, DEPTH_MAX,
    NAME_BYTES_MAX, QUEUES_MAX, QueueConfig, REASON_BYTES_MAX, SWEEP_MAX, SYNC_MAX, TEXT_BYTES_MAX, VISIBILITY_MS_MAX,
    VISIBILITY_MS_MIN,
};
pub use enqueue::{Enqueued, NewItem};
pub use item::{ItemState, claims_prefix};
pub use operation::{QueueOperation, QueueReply, operate};
pub use put_back::lease_ended;
pub use queue::{QUEUE_ROW, QueueRow};
pub use receipt::Receipt;
pub use sync::{ItemPlace, SyncItem, SyncQueue};
pub use timers::{next_timer, run_timers};
