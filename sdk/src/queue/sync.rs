//! Making a queue what a program wants of it.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;

use super::call::Queue;
use super::item::{ClaimedItem, NewItem, Pushed, Receipt};
use super::op::{QueueOp, QueueOpReply};
use super::query::QueueItem;
use crate::consistency::whole_ms;
use crate::error::Result;
use crate::lease::Session;

/// What a program wants of a queue that it has read: 1 to 10,000 items that go, come back, are added or claimed, each of
/// them named once. See [`Queue::snapshot`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing is done before a queue is synced"]
pub struct SyncQueue(v1::QueueSync);

/// Where an item is found. Made of what was read of it; its priority and its group never change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemPlace {
    /// Its id.
    pub item: u64,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
}

impl From<&QueueItem> for ItemPlace {
    fn from(item: &QueueItem) -> Self {
        Self {
            item: item.item,
            priority: item.priority,
            group: item.group.clone(),
        }
    }
}

impl From<&ClaimedItem> for ItemPlace {
    fn from(item: &ClaimedItem) -> Self {
        Self {
            item: item.receipt.item,
            priority: item.priority,
            group: item.group.clone(),
        }
    }
}

impl ItemPlace {
    fn into_wire(self) -> v1::QueueItemPlace {
        v1::QueueItemPlace {
            item: self.item,
            priority: self.priority.into(),
            group: self.group,
        }
    }
}

impl SyncQueue {
    /// Nothing yet, of the queue as it was at this revision: [`QueueSnapshot::revision`](crate::QueueSnapshot::revision),
    /// or that of the [`sync`](Queue::sync) before. 0: there is no such queue, which is made then with the defaults, or it
    /// holds no item.
    pub fn new(expected_revision: u64) -> Self {
        Self(v1::QueueSync {
            expected_revision,
            ..Default::default()
        })
    }

    /// Adds an item, behind those that were added before.
    pub fn enqueue(self, item: NewItem) -> Self {
        self.add(item, false)
    }

    /// Adds an item and claims it at once; it has no delay. One that is a duplicate is not claimed.
    pub fn enqueue_claimed(self, item: NewItem) -> Self {
        self.add(item, true)
    }

    /// Removes an item, in whatever state. If it is claimed, its receipt is fenced from then on.
    pub fn remove(mut self, item: impl Into<ItemPlace>) -> Self {
        self.0.remove.push(item.into().into_wire());
        self
    }

    /// Claims a ready item.
    pub fn claim(mut self, item: impl Into<ItemPlace>) -> Self {
        self.0.claim.push(item.into().into_wire());
        self
    }

    /// Makes a claimed item ready again, whoever has it and however often it was claimed. Its receipt is fenced from then
    /// on.
    pub fn give_back(mut self, item: u64) -> Self {
        self.0.give_back.push(item);
        self
    }

    /// The claims end with this session. Default: with none.
    pub fn session(self, session: &Session) -> Self {
        self.lease(session.id())
    }

    /// The claims end with this lease. Default, and for 0: with none.
    pub fn lease(mut self, lease: u64) -> Self {
        self.0.lease = lease;
        self
    }

    /// Who claims, for people, at most 256 bytes. Default: empty.
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.0.worker = worker.into();
        self
    }

    /// How long the claims last, from 100 ms to a week. Default, and for zero: as long as the queue says.
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.0.visibility_ms = whole_ms(visibility);
        self
    }

    /// Nothing is wanted: a queue refuses that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Items that are named; at most 10,000.
    pub fn len(&self) -> usize {
        self.0.remove.len() + self.0.give_back.len() + self.0.enqueue.len() + self.0.claim.len()
    }

    fn add(mut self, item: NewItem, claimed: bool) -> Self {
        let item = Some(item.0);
        self.0.enqueue.push(v1::QueueSyncItem { item, claimed });
        self
    }

    fn of(mut self, queue: &Queue) -> QueueOperation {
        self.0.queue.clone_from(&queue.name);
        QueueOperation::Sync(self.0)
    }
}

/// What a [`Queue::sync`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueSynced {
    /// One for each item that was to be added, in their order.
    pub pushed: Vec<Pushed>,
    /// Of what was claimed: first the items that were there, then those that were added, as they were named.
    pub claimed: Vec<Receipt>,
    /// How long the claims last, from the moment the request was sent.
    pub visibility: Duration,
    /// The queue was not there before.
    pub new: bool,
    /// What the next [`SyncQueue::new`] expects if nobody else changes the queue.
    pub revision: u64,
}

impl QueueSynced {
    pub(super) fn from_wire(synced: v1::QueueSynced) -> Self {
        let pushed = synced.enqueued.into_iter().map(Pushed::from);
        let claimed = synced.claimed.into_iter().map(Receipt::from);
        Self {
            pushed: pushed.collect(),
            claimed: claimed.collect(),
            visibility: Duration::from_millis(synced.visibility_ms),
            new: synced.new,
            revision: synced.changed_revision,
        }
    }
}

impl Queue {
    /// Makes the queue what is wanted of it, all of that at one revision, if it is still as it was read. What goes makes
    /// room for what is added, and what comes back for what is claimed.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the queue has changed since, or an item is not in the state that is
    /// asked for: read it again. [`UnknownItem`](crate::ErrorKind::UnknownItem),
    /// [`QueueFull`](crate::ErrorKind::QueueFull), [`LimitReached`](crate::ErrorKind::LimitReached) if more would be
    /// claimed than the queue allows, or any while it is paused, and what any call may return.
    pub async fn sync(&self, wanted: SyncQueue) -> Result<QueueSynced> {
        match self.operate("sync", wanted.of(self)).await? {
            QueueOpReply::Synced(synced) => Ok(synced),
            other => Err(self.not_expected("sync", other)),
        }
    }

    /// The same, for a transaction. Operations on the queue that stand before it in the transaction change the queue.
    pub fn sync_op(&self, wanted: SyncQueue) -> QueueOp {
        QueueOp::of(wanted.of(self))
    }
}
