//! What happens to queues and to their items.

use bincode::{Decode, Encode};

use crate::types::{LeaseId, Revision};

/// Of an item's id, as it is stored.
const ITEM_BYTES_MAX: usize = 9;

/// What happens to queues.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum QueueEvent {
    /// It is there from now on, and empty.
    Created,
    /// It promises something else.
    Configured,
    /// It is gone; it was empty.
    Deleted,
    /// Nothing of it is claimed from now on.
    Paused,
    /// Its items are claimed again.
    Resumed,
    /// The same happened to some of its items.
    Items {
        /// Their ids, in the order in which it happened to them; at least one.
        items: Vec<u64>,
        /// What.
        what: ItemEvent,
    },
}

/// What happens to items of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ItemEvent {
    /// They were added. What was recognised as a repetition was not.
    Enqueued {
        /// They become ready later; otherwise they are now.
        delayed: bool,
    },
    /// Their delay is over: they can be claimed.
    Ready,
    /// Somebody has them from now on.
    Claimed {
        /// The fencing token of these claims.
        token: Revision,
        /// What the claims end with, if it is a lease.
        lease: Option<LeaseId>,
        /// Who has them, for people.
        worker: String,
    },
    /// They are done, and gone.
    Acked,
    /// Their claim ended, and they are back in the queue.
    Returned {
        /// Why the claim ended.
        why: ClaimEnd,
        /// They become ready later; otherwise they are now.
        delayed: bool,
    },
    /// Their claim ended, and they are dead letters.
    Dead {
        /// Why the claim ended.
        why: ClaimEnd,
        /// As it is written on the dead letter, for people.
        reason: String,
    },
    /// They were dead letters and can be claimed again.
    Redriven,
    /// They are gone, in whatever state they were.
    Purged,
}

/// Why a claim ends whose item is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClaimEnd {
    /// Whoever had the item gave it back.
    Nacked,
    /// It lasted as long as it may.
    TimedOut,
    /// Its lease has ended.
    LeaseEnded,
}

impl QueueEvent {
    /// Bytes beside those of the enum itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            QueueEvent::Items { items, what } => ITEM_BYTES_MAX * items.len() + what.bytes(),
            QueueEvent::Created
            | QueueEvent::Configured
            | QueueEvent::Deleted
            | QueueEvent::Paused
            | QueueEvent::Resumed => 0,
        }
    }
}

impl ItemEvent {
    fn bytes(&self) -> usize {
        match self {
            ItemEvent::Claimed { worker: text, .. } | ItemEvent::Dead { reason: text, .. } => text.len(),
            ItemEvent::Enqueued { .. }
            | ItemEvent::Ready
            | ItemEvent::Acked
            | ItemEvent::Returned { .. }
            | ItemEvent::Redriven
            | ItemEvent::Purged => 0,
        }
    }
}
