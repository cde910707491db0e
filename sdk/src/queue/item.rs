//! Items: what is pushed, and what is claimed.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;

use super::call::Queue;
use crate::consistency::whole_ms;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::record::IntoBytes;

/// An item to be pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewItem(pub(super) v1::QueueNewItem);

impl NewItem {
    /// An item with this payload.
    pub fn new(payload: impl IntoBytes) -> Self {
        Self(v1::QueueNewItem {
            payload: payload.into_bytes(),
            ..Default::default()
        })
    }

    /// Higher goes first. Default: 0, the lowest.
    pub fn priority(mut self, priority: u8) -> Self {
        self.0.priority = priority.into();
        self
    }

    /// Groups of one priority are served in turn, and a queue may limit how many items of a group are claimed at a time.
    /// At most 256 bytes. Default: empty, which is a group like any other.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.0.group = group.into();
        self
    }

    /// If an item with this key was pushed within the queue's window, nothing is added and that item's id is answered. At
    /// most 256 bytes. Default: none.
    pub fn dedupe_key(mut self, key: impl Into<String>) -> Self {
        self.0.dedupe_key = key.into();
        self
    }

    /// It can be claimed after this time, at most a year. Default: at once.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.0.delay_ms = whole_ms(delay);
        self
    }
}

/// An item that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Its id. Ids of a queue grow.
    pub item: u64,
    /// Nothing was added: an item with the same dedupe key was pushed before, and this is its id.
    pub duplicate: bool,
}

impl From<v1::QueueEnqueuedItem> for Pushed {
    fn from(item: v1::QueueEnqueuedItem) -> Self {
        let v1::QueueEnqueuedItem { item, duplicate } = item;
        Self { item, duplicate }
    }
}

/// The push of one item.
#[must_use = "a call is made when it is awaited"]
pub struct PushItem<'a> {
    queue: &'a Queue,
    item: NewItem,
}

impl<'a> PushItem<'a> {
    pub(super) fn new(queue: &'a Queue, payload: Bytes) -> Self {
        let item = NewItem::new(payload);
        Self { queue, item }
    }

    fn set(self, change: impl FnOnce(NewItem) -> NewItem) -> Self {
        Self {
            item: change(self.item),
            ..self
        }
    }

    /// See [`NewItem::priority`].
    pub fn priority(self, priority: u8) -> Self {
        self.set(|item| item.priority(priority))
    }

    /// See [`NewItem::group`].
    pub fn group(self, group: impl Into<String>) -> Self {
        self.set(|item| item.group(group))
    }

    /// See [`NewItem::dedupe_key`].
    pub fn dedupe_key(self, key: impl Into<String>) -> Self {
        self.set(|item| item.dedupe_key(key))
    }

    /// See [`NewItem::delay`].
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|item| item.delay(delay))
    }

    async fn send(self) -> Result<Pushed> {
        let mut pushed = self.queue.push_all([self.item]).await?;
        match (pushed.pop(), pushed.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => {
                let message = "the push of one item was answered with another number of items";
                Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
            }
        }
    }
}

impl<'a> IntoFuture for PushItem<'a> {
    type Output = Result<Pushed>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Names one claim of an item: the right to say what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The item.
    pub item: u64,
    /// A fencing token: larger for every later claim of the item.
    pub token: u64,
}

impl Receipt {
    pub(super) fn to_wire(self) -> v1::QueueReceipt {
        let Self { item, token } = self;
        v1::QueueReceipt { item, token }
    }
}

impl From<v1::QueueReceipt> for Receipt {
    fn from(receipt: v1::QueueReceipt) -> Self {
        let v1::QueueReceipt { item, token } = receipt;
        Self { item, token }
    }
}

/// As `ITEM:TOKEN`.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.item, self.token)
    }
}

impl std::str::FromStr for Receipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text
            .split_once(':')
            .and_then(|(item, token)| Some((item.parse().ok()?, token.parse().ok()?)));
        match parsed {
            Some((item, token)) => Ok(Self { item, token }),
            None => Err(Error::invalid(
                "receipt",
                format!("{text:?} is no receipt, which is ITEM:TOKEN"),
            )),
        }
    }
}

/// An item as a claim answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimedItem {
    /// The right to say what becomes of it.
    pub receipt: Receipt,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
    /// Which claim of the item this is, from 1.
    pub attempt: u32,
    /// Wall time of the push in milliseconds, for people.
    pub enqueued_at_ms: u64,
    /// How far whoever had it before came.
    pub checkpoint: Option<Bytes>,
    /// The work.
    pub payload: Bytes,
}

impl From<v1::QueueClaimedItem> for ClaimedItem {
    fn from(item: v1::QueueClaimedItem) -> Self {
        Self {
            receipt: item.receipt.unwrap_or_default().into(),
            priority: u8::try_from(item.priority).unwrap_or(u8::MAX),
            group: item.group,
            attempt: item.attempt,
            enqueued_at_ms: item.enqueued_wall_ms,
            checkpoint: item.checkpoint,
            payload: item.payload,
        }
    }
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemState {
    /// It waits for a claim.
    Ready,
    /// Its delay is not over.
    Delayed,
    /// Somebody has it.
    Claimed,
    /// It is a dead letter: it came back too often, or was given up.
    Dead,
}

impl fmt::Display for ItemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Claimed => "claimed",
            Self::Dead => "dead",
        })
    }
}

impl ItemState {
    pub(super) fn to_wire(self) -> v1::QueueItemState {
        match self {
            Self::Ready => v1::QueueItemState::Ready,
            Self::Delayed => v1::QueueItemState::Delayed,
            Self::Claimed => v1::QueueItemState::Claimed,
            Self::Dead => v1::QueueItemState::Dead,
        }
    }

    pub(super) fn from_wire(state: i32) -> Result<Self> {
        match v1::QueueItemState::try_from(state) {
            Ok(v1::QueueItemState::Ready) => Ok(Self::Ready),
            Ok(v1::QueueItemState::Delayed) => Ok(Self::Delayed),
            Ok(v1::QueueItemState::Claimed) => Ok(Self::Claimed),
            Ok(v1::QueueItemState::Dead) => Ok(Self::Dead),
            Ok(v1::QueueItemState::Unspecified) | Err(_) => {
                let message = format!("an item is in state {state}, which is unknown here");
                Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
            }
        }
    }
}

/// What a redrive or a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Items that were redriven or removed.
    pub items: u32,
    /// Items of that state that are left.
    pub remaining: u64,
}

impl Swept {
    pub(super) fn new(items: u32, remaining: u64) -> Self {
        Self { items, remaining }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_as_it_is_written() {
        let receipt = Receipt { item: 12, token: 345 };
        assert_eq!(receipt.to_string().parse::<Receipt>().unwrap(), receipt);
        for wrong in ["", "12", "12:", ":345", "12:345:6", "a:b", "-1:2"] {
            let refused = wrong.parse::<Receipt>().unwrap_err();
            assert!(refused.message().contains("ITEM:TOKEN"), "{refused}");
        }
    }
}
