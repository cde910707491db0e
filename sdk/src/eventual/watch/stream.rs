//! The handle of a watch of the eventual tier.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use quorate_proto::v1;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::follow::Follower;
use super::item::EventualWatchItem;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Items that may wait to be taken: what waits grows old, so there are few.
const ITEMS_MAX: usize = 64;

/// The newest values of what changed; also a [`Stream`]. Dropping it ends the watch.
///
/// However often a key changed since it was last yielded, it comes once, with what it holds when the member reads it: the
/// values in between are not told, the newest always is. It comes as fast as it is taken; meanwhile the member notes which
/// keys changed, each once. A consumer that takes nothing for long gets everything again, after
/// [`Restarted`](EventualWatchItem::Restarted).
///
/// When its member is lost it goes on by itself at another one, which may for a moment know less than the one before.
#[must_use = "a watch that is dropped is over"]
pub struct EventualWatch {
    items: mpsc::Receiver<Result<EventualWatchItem>>,
    follower: JoinHandle<()>,
    trouble: Arc<Mutex<Option<Error>>>,
    failed: bool,
}

impl EventualWatch {
    pub(super) async fn open(
        core: Arc<Core>,
        create: v1::WatchCreate,
        existing: bool,
        timeout: Duration,
    ) -> Result<Self> {
        let (sender, items) = mpsc::channel(ITEMS_MAX);
        let (opened, mut is_opened) = oneshot::channel();
        let trouble = Arc::<Mutex<Option<Error>>>::default();
        let follower = Follower {
            core,
            create,
            items: sender,
            opened: Some(opened),
            existing,
            trouble: Arc::clone(&trouble),
        };
        let mut watch = Self {
            items,
            follower: tokio::spawn(follower.run()),
            trouble,
            failed: false,
        };
        match tokio::time::timeout(timeout, &mut is_opened).await {
            Ok(Ok(())) => Ok(watch),
            // The follower has ended, and said why.
            Ok(Err(_)) => match watch.next().await {
                Some(Err(error)) => Err(error),
                _ => Err(not_opened(timeout, watch.trouble())),
            },
            Err(_elapsed) => Err(not_opened(timeout, watch.trouble())),
        }
    }

    /// The next item; none after an error. What is dropped before it is done loses nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), [`UnknownDomain`](crate::ErrorKind::UnknownDomain) or
    /// [`TierMismatch`](crate::ErrorKind::TierMismatch) when it cannot be watched; [`Closed`](crate::ErrorKind::Closed) with
    /// the client. Everything else is tried again for as long as the watch is held.
    pub async fn next(&mut self) -> Option<Result<EventualWatchItem>> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Why no member serves it, as the last attempt met it; none while one does.
    pub fn trouble(&self) -> Option<Error> {
        self.trouble.lock().clone()
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<EventualWatchItem>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let item = std::task::ready!(self.items.poll_recv(context));
        self.failed = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

/// A limit that a member names is the answer; what else went wrong explains why there is none.
fn not_opened(timeout: Duration, trouble: Option<Error>) -> Error {
    match trouble {
        Some(error) if matches!(error.kind(), ErrorKind::LimitReached { .. }) => error,
        trouble => {
            let why = trouble.map_or_else(String::new, |error| format!(": {error}"));
            let message = format!("no member served the watch within {timeout:?}{why}");
            Error::new(ErrorKind::DeadlineExceeded, Outcome::NotAMutation, message)
        }
    }
}

impl Stream for EventualWatch {
    type Item = Result<EventualWatchItem>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context)
    }
}

impl Drop for EventualWatch {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl std::fmt::Debug for EventualWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventualWatch")
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}
