//! What can be asked of queues.

use bincode::{Decode, Encode};

use super::ack::ack;
use super::checkpoint::checkpoint;
use super::claim::{Claim, Claimed, claim};
use super::config::QueueConfig;
use super::create::create;
use super::delete::delete;
use super::enqueue::{Enqueued, NewItem, enqueue};
use super::extend::extend;
use super::item::ItemState;
use super::nack::nack;
use super::pause::set_paused;
use super::purge::purge;
use super::put_back::Back;
use super::receipt::Receipt;
use super::redrive::redrive;
use super::sync::{SyncQueue, sync};
use crate::mvcc::{Edit, Failure};
use crate::types::{ClaimEnd, Revision};

/// An operation on queues.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum QueueOperation {
    /// Makes a queue, or changes what it promises.
    Create {
        /// Name of the queue.
        queue: String,
        /// What it promises.
        config: QueueConfig,
    },
    /// Deletes a queue that holds nothing.
    Delete {
        /// Name of the queue.
        queue: String,
    },
    /// Adds items.
    Enqueue {
        /// Name of the queue.
        queue: String,
        /// The items, in this order.
        items: Vec<NewItem>,
    },
    /// Takes what is next, for a while.
    Claim(Claim),
    /// Prolongs a claim.
    Extend {
        /// Name of the queue.
        queue: String,
        /// Which claim.
        receipt: Receipt,
        /// How long it lasts from now on, in milliseconds; none: as long as the queue says.
        visibility_ms: Option<u64>,
    },
    /// Stores how far the work is.
    Checkpoint {
        /// Name of the queue.
        queue: String,
        /// Which claim.
        receipt: Receipt,
        /// Opaque here.
        data: Vec<u8>,
    },
    /// Removes an item that is done.
    Ack {
        /// Name of the queue.
        queue: String,
        /// Which claim.
        receipt: Receipt,
    },
    /// Gives an item back.
    Nack {
        /// Name of the queue.
        queue: String,
        /// Which claim.
        receipt: Receipt,
        /// It is ready after this many milliseconds.
        delay_ms: u64,
        /// It goes to the dead letters.
        dead: bool,
        /// Why, for people.
        reason: String,
    },
    /// Makes dead letters ready again.
    Redrive {
        /// Name of the queue.
        queue: String,
        /// At most so many.
        count: u32,
        /// This one alone.
        item: Option<u64>,
    },
    /// Removes items.
    Purge {
        /// Name of the queue.
        queue: String,
        /// In which state.
        state: ItemState,
        /// At most so many.
        count: u32,
    },
    /// Stops handing out items, or goes on with it.
    SetPaused {
        /// Name of the queue.
        queue: String,
        /// Which of the two.
        paused: bool,
    },
    /// Makes the queue what is wanted of it.
    Sync(SyncQueue),
}

impl QueueOperation {
    /// It needs room on the disks. Whatever helps to empty a queue is always allowed.
    pub fn grows(&self) -> bool {
        match self {
            QueueOperation::Create { .. } | QueueOperation::Enqueue { .. } | QueueOperation::Checkpoint { .. } => true,
            QueueOperation::Sync(wanted) => !wanted.enqueue.is_empty(),
            _ => false,
        }
    }
}

/// The answer of an operation on queues.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum QueueReply {
    /// The queue is there, with this configuration.
    Created {
        /// It was not there before.
        new: bool,
    },
    /// The queue is gone.
    Deleted,
    /// The items are in the queue.
    Enqueued {
        /// One for each, in their order.
        items: Vec<Enqueued>,
    },
    /// These were claimed.
    Claimed {
        /// In the order in which they were next.
        items: Vec<Claimed>,
        /// How long the claims last, in milliseconds.
        visibility_ms: u64,
    },
    /// The claim lasts longer.
    Extended {
        /// How long from now on, in milliseconds.
        visibility_ms: u64,
    },
    /// It is stored.
    Checkpointed,
    /// The item is gone.
    Acked,
    /// The item is back.
    Nacked {
        /// Where it is now.
        state: ItemState,
    },
    /// These are ready again.
    Redriven {
        /// How many.
        items: u32,
        /// Dead letters that are left.
        remaining: u64,
    },
    /// These are gone.
    Purged {
        /// How many.
        items: u32,
        /// Items of that state that are left.
        remaining: u64,
    },
    /// The queue is as it should be.
    Paused {
        /// It was not before.
        changed: bool,
    },
    /// The queue is what was wanted of it.
    Synced {
        /// One for each item that was to be added, in their order.
        enqueued: Vec<Enqueued>,
        /// What was claimed: those that were there, then those that were added.
        claimed: Vec<u64>,
        /// How long the claims last, in milliseconds.
        visibility_ms: u64,
        /// The queue was not there before.
        new: bool,
        /// When the queue last changed; the token of what was claimed.
        changed: Revision,
    },
}

/// Does the operation.
pub fn operate(edit: &mut Edit<'_>, operation: QueueOperation) -> Result<QueueReply, Failure> {
    match operation {
        QueueOperation::Create { queue, config } => create(edit, queue, config),
        QueueOperation::Delete { queue } => delete(edit, &queue),
        QueueOperation::Enqueue { queue, items } => enqueue(edit, &queue, items),
        QueueOperation::Claim(asked) => claim(edit, &asked),
        QueueOperation::Extend {
            queue,
            receipt,
            visibility_ms,
        } => extend(edit, &queue, receipt, visibility_ms),
        QueueOperation::Checkpoint { queue, receipt, data } => checkpoint(edit, &queue, receipt, data),
        QueueOperation::Ack { queue, receipt } => ack(edit, &queue, receipt),
        QueueOperation::Nack {
            queue,
            receipt,
            delay_ms,
            dead,
            reason,
        } => {
            let back = Back {
                why: ClaimEnd::Nacked,
                delay_ms,
                dead,
                reason,
            };
            nack(edit, &queue, receipt, back)
        }
        QueueOperation::Redrive { queue, count, item } => redrive(edit, &queue, count, item),
        QueueOperation::Purge { queue, state, count } => purge(edit, &queue, state, count),
        QueueOperation::SetPaused { queue, paused } => set_paused(edit, &queue, paused),
        QueueOperation::Sync(wanted) => sync(edit, wanted),
    }
}
