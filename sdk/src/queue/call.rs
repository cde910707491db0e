//! The calls of a queue.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;

use super::claim::ClaimItems;
use super::claimed::NackClaimed;
use super::config::QueueConfig;
use super::item::{ItemState, NewItem, PushItem, Pushed, Receipt, Swept};
use super::op::{QueueOp, QueueOpReply};
use crate::client::Client;
use crate::consistency::whole_ms;
use crate::error::{Error, Result};
use crate::lease::{not_expected, only};
use crate::record::IntoBytes;
use crate::txn::OpReply;

impl Client {
    /// A queue by its name, of at most 1,024 bytes. It does nothing yet.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// use quorate::{Op, QueueConfig};
    ///
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let pages = client.queue("pages");
    /// pages.create_if_missing(QueueConfig::default().attempts_max(3)).await?;
    /// pages.push("https://example.com/").group("example.com").await?;
    ///
    /// for page in pages.claim(10).wait(Duration::from_secs(30)).worker("crawler-1").await? {
    ///     let title = page.extend_while(async { "Example Domain" }).await?;
    ///     // All of it, at one revision, or none: if the claim ran out, another worker has the item.
    ///     client
    ///         .txn()
    ///         .then(page.ack_op())
    ///         .then(Op::put("titles/example.com", title))
    ///         .then(client.queue("index").push_op(quorate::NewItem::new("example.com")))
    ///         .await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue(&self, name: impl Into<String>) -> Queue {
        Queue {
            client: self.clone(),
            name: name.into(),
        }
    }
}

/// A queue of one client. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Queue {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client it belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Makes the queue, or gives it this configuration, all of it, if it is there: its items stay as they are. Returns
    /// whether it was not there. Programs that all start with the same call want [`create_if_missing`], so that a
    /// change made by hand stays.
    ///
    /// [`create_if_missing`]: Self::create_if_missing
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn create(&self, config: QueueConfig) -> Result<bool> {
        let create = QueueOperation::Create(v1::QueueCreate {
            queue: self.name.clone(),
            config: Some(config.to_wire()),
        });
        match self.operate("create", create).await? {
            QueueOpReply::Created { new } => Ok(new),
            other => Err(self.not_expected("create", other)),
        }
    }

    /// Makes the queue unless it is there; one that is there keeps its configuration. Returns whether it was made. It looks
    /// first and makes it then: of several that find nothing at the same time, the last one's configuration stays.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn create_if_missing(&self, config: QueueConfig) -> Result<bool> {
        if self.stats().await?.is_some() {
            return Ok(false);
        }
        self.create(config).await
    }

    /// Deletes the queue.
    ///
    /// # Errors
    ///
    /// [`QueueNotEmpty`](crate::ErrorKind::QueueNotEmpty) while it holds items, in whatever state, and what any call on
    /// a queue may return.
    pub async fn delete(&self) -> Result<()> {
        let queue = self.name.clone();
        match self
            .operate("delete", QueueOperation::Delete(v1::QueueDelete { queue }))
            .await?
        {
            QueueOpReply::Deleted => Ok(()),
            other => Err(self.not_expected("delete", other)),
        }
    }

    /// Adds an item. Await the builder; see [`PushItem`].
    pub fn push(&self, payload: impl IntoBytes) -> PushItem<'_> {
        PushItem::new(self, payload.into_bytes())
    }

    /// Adds 1 to 128 items in their order, at one revision: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`QueueFull`](crate::ErrorKind::QueueFull), [`UnknownQueue`](crate::ErrorKind::UnknownQueue), and what any call may
    /// return.
    pub async fn push_all(&self, items: impl IntoIterator<Item = NewItem>) -> Result<Vec<Pushed>> {
        match self.operate("push", self.enqueue(items)).await? {
            QueueOpReply::Pushed(pushed) => Ok(pushed),
            other => Err(self.not_expected("push", other)),
        }
    }

    /// The push of an item, for a transaction.
    pub fn push_op(&self, item: NewItem) -> QueueOp {
        self.push_all_op([item])
    }

    /// The push of 1 to 128 items, for a transaction.
    pub fn push_all_op(&self, items: impl IntoIterator<Item = NewItem>) -> QueueOp {
        QueueOp::of(self.enqueue(items))
    }

    /// Claims what is next, at most this many items, 1 to 128: by priority, then in turn between groups, then in the order
    /// of the ids. Await the builder; see [`ClaimItems`].
    pub fn claim(&self, count: u32) -> ClaimItems<'_> {
        ClaimItems::new(self, count)
    }

    /// Removes an item that is done.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if the claim is over, [`UnknownItem`](crate::ErrorKind::UnknownItem) if the
    /// item is gone, and what any call on a queue may return.
    pub async fn ack(&self, receipt: Receipt) -> Result<()> {
        match self.operate("ack", self.acknowledge(receipt)).await? {
            QueueOpReply::Acked => Ok(()),
            other => Err(self.not_expected("ack", other)),
        }
    }

    /// The acknowledgement, for a transaction, which is refused as a whole if the claim is over.
    pub fn ack_op(&self, receipt: Receipt) -> QueueOp {
        QueueOp::of(self.acknowledge(receipt))
    }

    /// Gives an item back. Await the builder; see [`NackClaimed`].
    pub fn nack(&self, receipt: Receipt) -> NackClaimed<'_> {
        NackClaimed::new(self, receipt)
    }

    /// Makes a claim last this long from now on, from 100 ms to a week; zero: as long as the queue says. Returns how long
    /// it lasts from the moment of the call.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn extend(&self, receipt: Receipt, visibility: Duration) -> Result<Duration> {
        let extend = QueueOperation::Extend(v1::QueueExtend {
            queue: self.name.clone(),
            receipt: Some(receipt.to_wire()),
            visibility_ms: whole_ms(visibility),
        });
        match self.operate("extend", extend).await? {
            QueueOpReply::Extended { visibility } => Ok(visibility),
            other => Err(self.not_expected("extend", other)),
        }
    }

    /// Stores how far the work on an item is, at most 64 KiB, for whoever claims it next.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn save_checkpoint(&self, receipt: Receipt, data: impl IntoBytes) -> Result<()> {
        match self.operate("checkpoint", self.checkpoint(receipt, data)).await? {
            QueueOpReply::Checkpointed => Ok(()),
            other => Err(self.not_expected("checkpoint", other)),
        }
    }

    /// The checkpoint, for a transaction, which is refused as a whole if the claim is over.
    pub fn checkpoint_op(&self, receipt: Receipt, data: impl IntoBytes) -> QueueOp {
        QueueOp::of(self.checkpoint(receipt, data))
    }

    /// Makes the first dead letters ready again, at most this many, 1 to 1,000, as if they had never been claimed.
    ///
    /// # Errors
    ///
    /// What any call on a queue may return.
    pub async fn redrive(&self, count: u32) -> Result<Swept> {
        self.redrive_from(count, 0).await
    }

    /// Makes this dead letter ready again.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if it is no dead letter, and what any call on a queue may return.
    pub async fn redrive_item(&self, item: u64) -> Result<Swept> {
        if item == 0 {
            return Err(Error::invalid("item", "no item has the id 0"));
        }
        self.redrive_from(1, item).await
    }

    /// Removes the first items of a state, at most this many, 1 to 1,000.
    ///
    /// # Errors
    ///
    /// What any call on a queue may return.
    pub async fn purge(&self, state: ItemState, count: u32) -> Result<Swept> {
        let purge = QueueOperation::Purge(v1::QueuePurge {
            queue: self.name.clone(),
            state: state.to_wire().into(),
            count,
        });
        match self.operate("purge", purge).await? {
            QueueOpReply::Purged(swept) => Ok(swept),
            other => Err(self.not_expected("purge", other)),
        }
    }

    /// Hands out nothing any more. Everything else goes on. Returns whether it did until now.
    ///
    /// # Errors
    ///
    /// What any call on a queue may return.
    pub async fn pause(&self) -> Result<bool> {
        self.set_paused(true).await
    }

    /// Hands out items again. Returns whether it was paused.
    ///
    /// # Errors
    ///
    /// What any call on a queue may return.
    pub async fn resume(&self) -> Result<bool> {
        self.set_paused(false).await
    }

    async fn set_paused(&self, paused: bool) -> Result<bool> {
        let queue = self.name.clone();
        let set = QueueOperation::SetPaused(v1::QueueSetPaused { queue, paused });
        match self.operate("pause", set).await? {
            QueueOpReply::Paused { changed } => Ok(changed),
            other => Err(self.not_expected("pause", other)),
        }
    }

    async fn redrive_from(&self, count: u32, item: u64) -> Result<Swept> {
        let queue = self.name.clone();
        let redrive = QueueOperation::Redrive(v1::QueueRedrive { queue, count, item });
        match self.operate("redrive", redrive).await? {
            QueueOpReply::Redriven(swept) => Ok(swept),
            other => Err(self.not_expected("redrive", other)),
        }
    }

    fn enqueue(&self, items: impl IntoIterator<Item = NewItem>) -> QueueOperation {
        QueueOperation::Enqueue(v1::QueueEnqueue {
            queue: self.name.clone(),
            items: items.into_iter().map(|item| item.0).collect(),
        })
    }

    fn acknowledge(&self, receipt: Receipt) -> QueueOperation {
        QueueOperation::Ack(v1::QueueAck {
            queue: self.name.clone(),
            receipt: Some(receipt.to_wire()),
        })
    }

    fn checkpoint(&self, receipt: Receipt, data: impl IntoBytes) -> QueueOperation {
        QueueOperation::Checkpoint(v1::QueueCheckpoint {
            queue: self.name.clone(),
            receipt: Some(receipt.to_wire()),
            data: data.into_bytes(),
        })
    }

    /// One operation as a transaction of its own.
    pub(super) async fn operate(&self, called: &str, operation: QueueOperation) -> Result<QueueOpReply> {
        match only(self.client.txn().then(QueueOp::of(operation)).await?.results)? {
            OpReply::Queue(reply) => Ok(reply),
            other => Err(not_expected(called, &other)),
        }
    }

    pub(super) fn not_expected(&self, called: &str, reply: QueueOpReply) -> Error {
        not_expected(called, &OpReply::Queue(reply))
    }
}
