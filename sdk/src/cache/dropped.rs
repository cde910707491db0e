//! What a cache dropped, for those who want to know.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// What waits for a listener that does not take it.
pub(super) const WAITING_MAX: usize = 1_024;

/// Why an entry is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropCause {
    /// Somebody changed the key; the cache may hold what it is now.
    Changed,
    /// Somebody asked for it.
    Invalidated,
    /// There was no room.
    Evicted,
    /// Its time to live in the cache was over.
    Expired,
}

/// An entry that a cache dropped, or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The domain of the key.
    pub domain: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// Why.
    pub cause: DropCause,
}

/// What [`DroppedStream`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DroppedItem {
    /// One entry.
    Entry(Dropped),
    /// More was dropped than waits for a listener, 1,024 entries; this many are left out here.
    Missed(u64),
}

/// What a cache drops from now on; also a [`Stream`]. It ends with the cache.
#[must_use = "what is dropped is told to those who listen"]
pub struct DroppedStream(BroadcastStream<Dropped>);

impl DroppedStream {
    pub(super) fn new(receiver: tokio::sync::broadcast::Receiver<Dropped>) -> Self {
        Self(BroadcastStream::new(receiver))
    }

    /// The next item; none when the cache is gone.
    pub async fn next(&mut self) -> Option<DroppedItem> {
        self.0.next().await.map(item)
    }
}

impl Stream for DroppedStream {
    type Item = DroppedItem;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context).map(|next| next.map(item))
    }
}

impl std::fmt::Debug for DroppedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DroppedStream").finish_non_exhaustive()
    }
}

fn item(received: Result<Dropped, BroadcastStreamRecvError>) -> DroppedItem {
    match received {
        Ok(dropped) => DroppedItem::Entry(dropped),
        Err(BroadcastStreamRecvError::Lagged(missed)) => DroppedItem::Missed(missed),
    }
}
