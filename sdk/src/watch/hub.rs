//! The streams of a client, one to each member that serves watches of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::cached::CacheWatcher;
use super::link::{Attachment, Link};
use super::subscription::Subscription;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// The streams of a client, by address; never more than the client knows endpoints.
pub(crate) struct Watches {
    places: Mutex<BTreeMap<String, Arc<Place>>>,
    last_id: AtomicU64,
    probe_interval: Duration,
}

/// Where the stream to one member is kept.
#[derive(Default)]
struct Place {
    link: Mutex<Option<Arc<Link>>>,
    /// Held while connecting, so that one watch connects for all.
    opening: tokio::sync::Mutex<()>,
    /// Attempts to connect that failed.
    failures: AtomicU64,
}

impl Watches {
    pub(crate) fn new(probe_interval: Duration) -> Self {
        Self {
            places: Mutex::default(),
            last_id: AtomicU64::new(0),
            probe_interval,
        }
    }

    /// Whether there is a stream to this member.
    pub(crate) fn serves(&self, endpoint: &Endpoint) -> bool {
        let places = self.places.lock();
        places
            .get(endpoint.address())
            .is_some_and(|place| place.live().is_some())
    }

    /// Asks a member for a watch, on a stream that is opened if need be.
    pub(super) async fn attach(
        &self,
        endpoint: &Endpoint,
        seen: u64,
        subscription: &Arc<Subscription>,
    ) -> Result<Attachment> {
        let link = self.link_to(endpoint).await?;
        link.attach(self.next_id(), seen, subscription)
            .ok_or_else(|| ended(endpoint))
    }

    /// Asks a member for the watch of a cache, as [`attach`](Self::attach). `asked` is told its id before it is asked for.
    pub(crate) async fn attach_cache(
        &self,
        endpoint: &Endpoint,
        coherent: bool,
        cache: Arc<dyn CacheWatcher>,
        asked: impl FnOnce(u64),
    ) -> Result<Attachment> {
        let link = self.link_to(endpoint).await?;
        link.attach_cache(self.next_id(), coherent, cache, asked)
            .ok_or_else(|| ended(endpoint))
    }

    /// Never used twice: what comes late for an earlier one finds nobody.
    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn link_to(&self, endpoint: &Endpoint) -> Result<Arc<Link>> {
        let place = Arc::clone(self.places.lock().entry(endpoint.address().to_owned()).or_default());
        self.link(&place, endpoint).await
    }

    async fn link(&self, place: &Place, endpoint: &Endpoint) -> Result<Arc<Link>> {
        if let Some(link) = place.live() {
            return Ok(link);
        }
        let failures = place.failures.load(Ordering::Acquire);
        let _opening = place.opening.lock().await;
        if let Some(link) = place.live() {
            return Ok(link);
        }
        let address = endpoint.address();
        if place.failures.load(Ordering::Acquire) != failures {
            return Err(lost(format!("{address}: another watch has just failed to connect")));
        }
        let opening = Link::open(endpoint, self.probe_interval);
        let opened = match endpoint.dial(opening).await {
            Ok(opened) => opened,
            Err(reason) => Err(lost(reason)),
        };
        match opened {
            Ok(link) => {
                let link = Arc::new(link);
                *place.link.lock() = Some(Arc::clone(&link));
                // Closing may have come between the check in `dial` and here.
                if endpoint.is_closed() {
                    link.close(lost("the client is closed".to_owned()));
                }
                Ok(link)
            }
            Err(error) => {
                place.failures.fetch_add(1, Ordering::AcqRel);
                Err(error)
            }
        }
    }

    /// Ends every stream. The endpoints must have been closed before.
    pub(crate) fn close(&self) {
        for place in self.places.lock().values() {
            if let Some(link) = place.link.lock().take() {
                link.close(lost("the client is closed".to_owned()));
            }
        }
    }
}

impl Place {
    fn live(&self) -> Option<Arc<Link>> {
        let link = self.link.lock();
        link.as_ref().filter(|link| link.is_alive()).cloned()
    }
}

fn ended(endpoint: &Endpoint) -> Error {
    lost(format!("{}: the stream has just ended", endpoint.address()))
}

fn lost(message: String) -> Error {
    Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
}
