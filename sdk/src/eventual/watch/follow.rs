//! Sees to it that some member serves a watch, for as long as somebody holds it.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::watch_create::Start;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::item::EventualWatchItem;
use super::link::{Link, Told};
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::retry::Backoff;

/// Delays between two attempts.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A watch that was served for as long starts over with its delays.
const SERVED_WELL: Duration = Duration::from_secs(5);

/// Why nothing more comes from a member.
enum Left {
    /// The consumer is gone.
    Dropped,
    /// The member, or the way to it, failed, or it refused the watch.
    Failed(Error),
}

pub(super) struct Follower {
    pub(super) core: Arc<Core>,
    /// Without an id and without a start.
    pub(super) create: v1::WatchCreate,
    pub(super) items: mpsc::Sender<Result<EventualWatchItem>>,
    /// Told when a member has the watch for the first time.
    pub(super) opened: Option<oneshot::Sender<()>>,
    /// The next member is asked for everything that there is.
    pub(super) existing: bool,
    /// What was last in the way.
    pub(super) trouble: Arc<parking_lot::Mutex<Option<Error>>>,
}

impl Follower {
    /// Ends when the consumer is gone, or has been told why nothing more comes.
    pub(super) async fn run(mut self) {
        let (core, items) = (Arc::clone(&self.core), self.items.clone());
        let last_word = tokio::select! {
            last_word = self.serve() => last_word,
            () = core.until_closed() => {
                Some(Error::new(ErrorKind::Closed, Outcome::NotAMutation, "the client was closed"))
            }
        };
        // Whoever opens it looks for the reason among the items.
        self.opened = None;
        if let Some(error) = last_word {
            let _ = items.send(Err(error)).await;
        }
    }

    /// Returns why nothing more comes; none if the consumer is gone.
    async fn serve(&mut self) -> Option<Error> {
        let mut backoff = Backoff::between(BACKOFF_MIN, BACKOFF_MAX);
        let mut avoid: Option<Arc<Endpoint>> = None;
        loop {
            let began = Instant::now();
            let error = match self.pick(avoid.as_ref()) {
                None => lost("every endpoint failed a moment ago, none is tried right now".to_owned()),
                Some(endpoint) => {
                    let left = self.stay(&endpoint).await;
                    self.core.routing.turn_from(&endpoint);
                    avoid = Some(endpoint);
                    match left {
                        Left::Dropped => return None,
                        Left::Failed(error) => error,
                    }
                }
            };
            if !is_passing(&error) {
                return Some(error);
            }
            *self.trouble.lock() = Some(error);
            if began.elapsed() >= SERVED_WELL {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.items.closed() => return None,
            }
        }
    }

    /// Where the client's eventual calls go, so that a watch shows what the client wrote.
    fn pick(&self, avoid: Option<&Arc<Endpoint>>) -> Option<Arc<Endpoint>> {
        let routing = &self.core.routing;
        let favourite = self.core.eventual.favourite(routing);
        let favoured = |endpoint: &Endpoint| {
            favourite
                .as_ref()
                .is_some_and(|favourite| std::ptr::eq(&raw const **favourite, endpoint))
        };
        routing.pick_any(favoured, &[], avoid, std::time::Instant::now())
    }

    async fn stay(&mut self, endpoint: &Endpoint) -> Left {
        let start = if self.existing {
            Start::FromRevision(1)
        } else {
            Start::Now(v1::WatchNow {})
        };
        let create = v1::WatchCreate {
            start: Some(start),
            ..self.create.clone()
        };
        let opening = endpoint.dial(Link::open(endpoint, create));
        let mut link = match opening.await {
            Ok(Ok(link)) => link,
            Ok(Err(error)) => return Left::Failed(error),
            Err(reason) => return Left::Failed(lost(reason)),
        };
        loop {
            let told = tokio::select! {
                told = link.next() => told,
                () = self.items.closed() => return Left::Dropped,
            };
            let told = match told {
                Ok(told) => told,
                Err(error) => return Left::Failed(error.with_context(endpoint.address())),
            };
            for one in told {
                let item = match one {
                    Told::Created => match self.created() {
                        Some(item) => item,
                        None => continue,
                    },
                    Told::Item(item) => item,
                };
                if self.items.send(Ok(item)).await.is_err() {
                    return Left::Dropped;
                }
            }
        }
    }

    /// The member has the watch. From another one than before everything comes again.
    fn created(&mut self) -> Option<EventualWatchItem> {
        // What it lacks when it is asked for the next time is not known.
        self.existing = true;
        *self.trouble.lock() = None;
        match self.opened.take() {
            Some(opened) => {
                let _ = opened.send(());
                None
            }
            None => Some(EventualWatchItem::Restarted),
        }
    }
}

/// What another attempt, perhaps at another member, may get over.
fn is_passing(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::LimitReached { .. } | ErrorKind::Unimplemented | ErrorKind::Lagged { .. } => true,
        kind => kind.is_retried(),
    }
}

fn lost(message: String) -> Error {
    Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
}
