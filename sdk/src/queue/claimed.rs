//! Items that were claimed.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use quorate_proto::v1;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;
use tokio::time::Instant;

use super::call::Queue;
use super::item::{ClaimedItem, ItemState, Receipt};
use super::op::{QueueOp, QueueOpReply};
use crate::consistency::whole_ms;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::IntoBytes;

/// The part of a claim's time by which its deadline is early here: clocks may differ in speed by as much.
const MARGIN: u32 = 20;
/// Extensions come at this fraction of a claim's time.
const EXTENSIONS_PER_CLAIM: u32 = 3;

/// An item that was claimed. Dropping it says nothing to the store: the item comes back when the claim runs out.
#[derive(Debug)]
pub struct Claimed {
    queue: Queue,
    item: ClaimedItem,
    visibility: Duration,
    deadline: Mutex<Instant>,
}

impl Claimed {
    pub(super) fn new(queue: Queue, item: ClaimedItem, visibility: Duration, sent: Instant) -> Self {
        Self {
            queue,
            item,
            visibility,
            deadline: Mutex::new(sent + certain(visibility)),
        }
    }

    /// The work.
    pub fn payload(&self) -> &Bytes {
        &self.item.payload
    }

    /// The right to say what becomes of it.
    pub fn receipt(&self) -> Receipt {
        self.item.receipt
    }

    /// The item's id.
    pub fn id(&self) -> u64 {
        self.item.receipt.item
    }

    /// Which claim of the item this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.item.attempt
    }

    /// How far whoever had it before came.
    pub fn checkpoint(&self) -> Option<&Bytes> {
        self.item.checkpoint.as_ref()
    }

    /// Everything the claim answered.
    pub fn item(&self) -> &ClaimedItem {
        &self.item
    }

    /// The queue it is of.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Until this moment nobody else can have it: counted from when the claim or its last extension was sent, less a
    /// twentieth of its time, by which clocks may differ in speed. With a session, it ends with that, too.
    pub fn deadline(&self) -> Instant {
        *self.deadline.lock()
    }

    /// The item is done, and goes.
    ///
    /// # Errors
    ///
    /// [`Fenced`](ErrorKind::Fenced) if the claim is over: another may have the item. [`UnknownItem`](ErrorKind::UnknownItem)
    /// if the item is gone. And what any call may return.
    pub async fn ack(&self) -> Result<()> {
        self.queue.ack(self.receipt()).await
    }

    /// The acknowledgement, for a transaction, which is refused as a whole if the claim is over.
    pub fn ack_op(&self) -> QueueOp {
        self.queue.ack_op(self.receipt())
    }

    /// Gives the item back. Await the builder; see [`NackClaimed`].
    pub fn nack(&self) -> NackClaimed<'_> {
        self.queue.nack(self.receipt())
    }

    /// The claim lasts this long from now on; zero: as long as the queue says.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn extend(&self, visibility: Duration) -> Result<()> {
        let sent = Instant::now();
        if !visibility.is_zero() {
            // A shorter claim counts from now on, whether or not the answer comes.
            let mut deadline = self.deadline.lock();
            *deadline = (*deadline).min(sent + certain(visibility));
        }
        let visibility = self.queue.extend(self.receipt(), visibility).await?;
        *self.deadline.lock() = sent + certain(visibility);
        Ok(())
    }

    /// Does the work and extends the claim meanwhile, by the time it was made for, as often as needed.
    ///
    /// # Errors
    ///
    /// If the claim is lost, the work is dropped where it is, and why is returned: [`Fenced`](ErrorKind::Fenced),
    /// [`UnknownItem`](ErrorKind::UnknownItem), or why no extension could be confirmed before the deadline.
    pub async fn extend_while<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            lost = self.extend_until_lost() => Err(lost),
        }
    }

    async fn extend_until_lost(&self) -> Error {
        let mut last = None;
        let mut pause = self.visibility / EXTENSIONS_PER_CLAIM;
        loop {
            let deadline = self.deadline();
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
            match tokio::time::timeout_at(deadline, self.extend(self.visibility)).await {
                Ok(Ok(())) => pause = self.visibility / EXTENSIONS_PER_CLAIM,
                Ok(Err(error)) if error.is_retryable() || error.outcome() == Outcome::Unknown => {
                    pause = self.visibility / MARGIN;
                    last = Some(error);
                }
                Ok(Err(error)) => return error,
                Err(_elapsed) => {
                    let message = "no extension of the claim was confirmed in time";
                    let unconfirmed = || Error::new(ErrorKind::DeadlineExceeded, Outcome::Unknown, message);
                    return last.unwrap_or_else(unconfirmed);
                }
            }
        }
    }

    /// Stores how far the work is, at most 64 KiB, for whoever claims the item next.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn save_checkpoint(&self, data: impl IntoBytes) -> Result<()> {
        self.queue.save_checkpoint(self.receipt(), data).await
    }

    /// The checkpoint, for a transaction, which is refused as a whole if the claim is over.
    pub fn checkpoint_op(&self, data: impl IntoBytes) -> QueueOp {
        self.queue.checkpoint_op(self.receipt(), data)
    }
}

fn certain(visibility: Duration) -> Duration {
    visibility - visibility / MARGIN
}

/// An item that is given back. It keeps its id, so it is the first of its group again.
#[must_use = "a call is made when it is awaited"]
pub struct NackClaimed<'a> {
    queue: &'a Queue,
    request: v1::QueueNack,
}

impl<'a> NackClaimed<'a> {
    pub(super) fn new(queue: &'a Queue, receipt: Receipt) -> Self {
        let request = v1::QueueNack {
            queue: queue.name.clone(),
            receipt: Some(receipt.to_wire()),
            ..Default::default()
        };
        Self { queue, request }
    }

    /// It can be claimed after this time, at most a year. Default: at once.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.request.delay_ms = whole_ms(delay);
        self
    }

    /// It goes to the dead letters at once. Default: after as many claims as the queue says.
    pub fn dead(mut self) -> Self {
        self.request.dead = true;
        self
    }

    /// Why, for people, at most 1,024 bytes; kept with a dead letter. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    /// The same, for a transaction, which is refused as a whole if the claim is over.
    pub fn into_op(self) -> QueueOp {
        QueueOp::of(QueueOperation::Nack(self.request))
    }

    async fn send(self) -> Result<ItemState> {
        match self.queue.operate("nack", QueueOperation::Nack(self.request)).await? {
            QueueOpReply::Nacked { state } => Ok(state),
            other => Err(self.queue.not_expected("nack", other)),
        }
    }
}

impl<'a> IntoFuture for NackClaimed<'a> {
    type Output = Result<ItemState>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
