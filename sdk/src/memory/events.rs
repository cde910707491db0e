//! What a program can follow of its memory.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::conflict::Resolution;
use super::subscription::SubscriptionId;
use crate::domain::Tier;
use crate::error::Error;
use crate::eventual::FailedWrite;

/// Events that are kept for a reader that is behind.
const EVENTS_KEPT: usize = 1_024;

/// Something that a [`Memory`](crate::Memory) did. Events may be added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MemoryEvent {
    /// A value was written. Of progress, heartbeats and metrics: it was taken into the batch.
    Write {
        /// The key.
        key: String,
        /// The tier.
        tier: Tier,
        /// The revision of the write; absent in the eventual tier.
        revision: Option<u64>,
        /// What was written, as JSON.
        value: Bytes,
    },
    /// Values that stood beside each other became one.
    ConflictResolved {
        /// The key.
        key: String,
        /// How.
        resolution: Resolution,
        /// How many there were.
        entries: usize,
    },
    /// Writes of the batch were sent, and answered.
    BatchFlushed {
        /// How many were done; those that became one count once.
        written: u64,
        /// Those that were not, in order.
        failed: Arc<Vec<FailedWrite>>,
    },
    /// A callback of a subscription panicked. The subscription goes on.
    CallbackPanicked {
        /// The subscription.
        subscription: SubscriptionId,
        /// What it was called for.
        key: String,
        /// What the panic said.
        message: String,
    },
    /// A subscription is over, and not because it was ended.
    SubscriptionEnded {
        /// The subscription.
        subscription: SubscriptionId,
        /// Why.
        error: Error,
    },
    /// A subscription is too slow for the invalidations of the cache.
    InvalidationsMissed {
        /// The subscription.
        subscription: SubscriptionId,
        /// How many keys were left out, of whatever pattern.
        missed: u64,
    },
    /// The background could not renew what it has to; it tries again.
    HeartbeatFailed {
        /// Why.
        error: Error,
    },
    /// This reader was too slow, and events were dropped for it.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl MemoryEvent {
    /// Its name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::ConflictResolved { .. } => "conflict-resolved",
            Self::BatchFlushed { .. } => "batch-flushed",
            Self::CallbackPanicked { .. } => "callback-panicked",
            Self::SubscriptionEnded { .. } => "subscription-ended",
            Self::InvalidationsMissed { .. } => "invalidations-missed",
            Self::HeartbeatFailed { .. } => "heartbeat-failed",
            Self::Lagged { .. } => "lagged",
        }
    }
}

/// Events as they happen, from when this was made; see [`Memory::events`](crate::Memory::events).
#[derive(Debug)]
pub struct MemoryEvents(broadcast::Receiver<MemoryEvent>);

impl MemoryEvents {
    /// The next event; none when the memory was shut down. What is dropped before it is done loses nothing. Of a reader that
    /// is more than 1,024 events behind, the oldest are dropped, and it is told by [`MemoryEvent::Lagged`].
    pub async fn next(&mut self) -> Option<MemoryEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(MemoryEvent::Lagged { missed }),
            Err(RecvError::Closed) => None,
        }
    }

    /// The same as a stream.
    pub fn stream(self) -> impl futures::Stream<Item = MemoryEvent> + Send {
        futures::stream::unfold(self, |mut events| async move {
            let event = events.next().await?;
            Some((event, events))
        })
    }
}

/// Tells those who listen.
#[derive(Debug)]
pub(super) struct Events(parking_lot::Mutex<Option<broadcast::Sender<MemoryEvent>>>);

impl Default for Events {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(EVENTS_KEPT);
        Self(parking_lot::Mutex::new(Some(sender)))
    }
}

impl Events {
    /// The event is made only if somebody listens.
    pub(super) fn tell(&self, event: impl FnOnce() -> MemoryEvent) {
        if let Some(sender) = self.0.lock().as_ref()
            && sender.receiver_count() > 0
        {
            // The last listener may leave meanwhile.
            let _ = sender.send(event());
        }
    }

    pub(super) fn listen(&self) -> MemoryEvents {
        let listening = self.0.lock().as_ref().map(broadcast::Sender::subscribe);
        // After the end there is one whose sender is gone.
        MemoryEvents(listening.unwrap_or_else(|| broadcast::channel(1).1))
    }

    /// There will be no more.
    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flushed(written: u64) -> MemoryEvent {
        MemoryEvent::BatchFlushed {
            written,
            failed: Arc::default(),
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
        let events = Events::default();
        let mut reader = events.listen();
        for written in 0..EVENTS_KEPT as u64 + 3 {
            events.tell(|| flushed(written));
        }
        let lagged = reader.next().await.unwrap();
        assert!(matches!(lagged, MemoryEvent::Lagged { missed: 3 }), "{}", lagged.name());
        assert!(matches!(
            reader.next().await,
            Some(MemoryEvent::BatchFlushed { written: 3, .. })
        ));
    }

    #[tokio::test]
    async fn after_the_end_there_is_nothing_more() {
        let events = Events::default();
        let mut reader = events.listen();
        events.tell(|| flushed(1));
        events.end();
        events.tell(|| flushed(2));
        assert!(matches!(
            reader.next().await,
            Some(MemoryEvent::BatchFlushed { written: 1, .. })
        ));
        assert!(reader.next().await.is_none());
        assert!(events.listen().next().await.is_none());
    }
}
