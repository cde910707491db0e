//! Queues in transactions.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;
use quorate_proto::v1::queue_result::Result as QueueResult;

use super::item::{ClaimedItem, ItemState, Pushed, Swept};
use super::sync::QueueSynced;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::txn::Op;

/// An operation on a queue, for a transaction. [`Queue`](crate::Queue) and [`Claimed`](crate::Claimed) make them.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation has an effect in a transaction only"]
pub struct QueueOp(v1::QueueOperation);

impl QueueOp {
    pub(super) fn of(operation: QueueOperation) -> Self {
        Self(v1::QueueOperation {
            operation: Some(operation),
        })
    }
}

impl From<QueueOp> for Op {
    fn from(queue: QueueOp) -> Self {
        Op::of(Operation::Queue(queue.0))
    }
}

/// The answer of an operation on queues.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOpReply {
    /// The queue is there, with the configuration.
    Created {
        /// It was not there before.
        new: bool,
    },
    /// The queue is gone.
    Deleted,
    /// Of [`Queue::push_op`](crate::Queue::push_op): one for each item, in their order.
    Pushed(Vec<Pushed>),
    /// Of a claim.
    Claimed {
        /// What was claimed; there may be nothing.
        items: Vec<ClaimedItem>,
        /// How long the claims last, from the moment the request was sent.
        visibility: Duration,
    },
    /// The claim lasts longer.
    Extended {
        /// From the moment the request was sent.
        visibility: Duration,
    },
    /// The checkpoint is stored.
    Checkpointed,
    /// The item is gone.
    Acked,
    /// The item is back.
    Nacked {
        /// Where it is now.
        state: ItemState,
    },
    /// Dead letters are ready again.
    Redriven(Swept),
    /// Items are gone.
    Purged(Swept),
    /// The queue is paused, or not.
    Paused {
        /// It was not so before.
        changed: bool,
    },
    /// Of [`Queue::sync_op`](crate::Queue::sync_op).
    Synced(QueueSynced),
}

impl QueueOpReply {
    pub(crate) fn from_wire(result: v1::QueueResult) -> Result<Self> {
        Ok(match result.result {
            Some(QueueResult::Created(created)) => Self::Created { new: created.new },
            Some(QueueResult::Deleted(_)) => Self::Deleted,
            Some(QueueResult::Enqueued(enqueued)) => {
                Self::Pushed(enqueued.items.into_iter().map(Pushed::from).collect())
            }
            Some(QueueResult::Claimed(claimed)) => Self::Claimed {
                items: claimed.items.into_iter().map(ClaimedItem::from).collect(),
                visibility: Duration::from_millis(claimed.visibility_ms),
            },
            Some(QueueResult::Extended(extended)) => Self::Extended {
                visibility: Duration::from_millis(extended.visibility_ms),
            },
            Some(QueueResult::Checkpointed(_)) => Self::Checkpointed,
            Some(QueueResult::Acked(_)) => Self::Acked,
            Some(QueueResult::Nacked(nacked)) => Self::Nacked {
                state: ItemState::from_wire(nacked.state)?,
            },
            Some(QueueResult::Redriven(redriven)) => Self::Redriven(Swept::new(redriven.items, redriven.remaining)),
            Some(QueueResult::Purged(purged)) => Self::Purged(Swept::new(purged.items, purged.remaining)),
            Some(QueueResult::Paused(paused)) => Self::Paused {
                changed: paused.changed,
            },
            Some(QueueResult::Synced(synced)) => Self::Synced(QueueSynced::from_wire(synced)),
            None => {
                let message = "an operation on a queue came back without a result";
                return Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message));
            }
        })
    }
}
