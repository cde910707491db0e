//! The handle of a watch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures::Stream;
use tokio::task::JoinHandle;

use super::buffer::{Revision, Taken};
use super::event::WatchEvent;
use super::follow::follow;
use super::item::{WatchBatch, WatchItem};
use super::subscription::Subscription;
use crate::core::Core;
use crate::error::{Error, Result};

/// Changes as they are made, a revision at a time; also a [`Stream`]. Dropping it ends the watch.
///
/// It goes on by itself when its member is lost, one revision after the last that came, without a gap and without a
/// duplicate. After an error it yields nothing more.
#[must_use = "a watch that is dropped is over"]
pub struct Watch {
    core: Arc<Core>,
    subscription: Arc<Subscription>,
    follower: JoinHandle<()>,
    failed: bool,
}

impl Watch {
    pub(super) fn new(core: Arc<Core>, subscription: Subscription) -> Self {
        let subscription = Arc::new(subscription);
        let follower = tokio::spawn(follow(Arc::clone(&core), Arc::clone(&subscription)));
        Self {
            core,
            subscription,
            follower,
            failed: false,
        }
    }

    pub(super) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The next item; none after an error. What is dropped before it is done loses nothing.
    ///
    /// # Errors
    ///
    /// [`Compacted`](crate::ErrorKind::Compacted) with the oldest revision that a watch can start from, when what comes next
    /// is no longer kept; [`Lagged`](crate::ErrorKind::Lagged) with the revision to resume from, if
    /// [`fail_when_lagging`](crate::OpenWatch::fail_when_lagging) was asked for;
    /// [`LimitReached`](crate::ErrorKind::LimitReached) when no member takes more watches;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), [`UnknownDomain`](crate::ErrorKind::UnknownDomain) or
    /// [`TierMismatch`](crate::ErrorKind::TierMismatch) when it cannot be watched; [`Closed`](crate::ErrorKind::Closed) with
    /// the client. Everything else is tried again for as long as the watch is held.
    pub async fn next(&mut self) -> Option<Result<WatchItem>> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Everything up to this revision was yielded, or the watch starts after it. A watch
    /// [`from`](crate::OpenWatch::from) the revision after it goes on where this one stands.
    pub fn position(&self) -> u64 {
        self.subscription.taken()
    }

    /// Whether a member serves it at this moment. It is not while a member is looked for, and while its consumer is so far
    /// behind that nothing more is fetched.
    pub fn is_connected(&self) -> bool {
        self.subscription.is_served()
    }

    /// Why no member serves it, as the last attempt met it; none while one does.
    pub fn trouble(&self) -> Option<Error> {
        self.subscription.trouble()
    }

    /// Revisions that have come and were not yielded.
    pub fn backlog(&self) -> usize {
        self.subscription.buffered()
    }

    /// Local reads of the client are never older than the start that it was told.
    pub(super) fn observe(&self) {
        if let Some((epoch, revision)) = self.subscription.start() {
            self.core.observe_revision(epoch, revision);
        }
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchItem>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let Some(yielded) = std::task::ready!(self.subscription.poll_take(context)) else {
            return Poll::Ready(None);
        };
        let item = yielded.and_then(|yielded| {
            self.core.observe_revision(yielded.epoch, yielded.through);
            match yielded.taken {
                Taken::Mark(revision) => Ok(WatchItem::Mark { revision }),
                Taken::Revision(revision) => batch(revision).map(WatchItem::Events),
            }
        });
        self.failed = item.is_err();
        Poll::Ready(Some(item))
    }
}

fn batch(revision: Revision) -> Result<WatchBatch> {
    let Revision { first, rest, .. } = revision;
    let parts = std::iter::once(&first).chain(&rest);
    let events = parts.flat_map(|part| part.events.iter().cloned());
    Ok(WatchBatch {
        revision: first.revision,
        wall_time: SystemTime::UNIX_EPOCH + Duration::from_millis(first.wall_ms),
        events: events.map(WatchEvent::decode).collect::<Result<_>>()?,
    })
}

impl Stream for Watch {
    type Item = Result<WatchItem>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Its attachment goes with it, and cancels the watch at the member.
        self.follower.abort();
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("position", &self.position())
            .field("connected", &self.is_connected())
            .field("backlog", &self.backlog())
            .finish_non_exhaustive()
    }
}
