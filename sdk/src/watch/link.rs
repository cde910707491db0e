//! One stream to one member, for all watches of the client that are there.
//!
//! Its sending side is polled by the transport's own task. One task reads, and asks from time to time whether the member
//! still hears from the others ([`probing`](super::probing)). The stream is closed when no watch is left, or when it failed.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use parking_lot::{Mutex, MutexGuard};
use quorate_proto::v1;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_create::Start;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::cached::CacheWatcher;
use super::delivery::{Delivery, bytes_of};
use super::outbox::Outbox;
use super::probing::Probing;
use super::subscription::{Departure, Subscription};
use crate::connection::REPLY_BYTES_MAX;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// An open stream; dropping it sends its watches away.
pub(super) struct Link {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    address: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watches: HashMap<u64, Attached>,
    outbox: Outbox,
    probing: Probing,
    /// Why nothing more can be sent.
    failed: Option<Error>,
}

/// Whom a watch is for.
#[derive(Clone)]
enum Attached {
    Watch(Arc<Subscription>),
    Cache(Arc<dyn CacheWatcher>),
}

/// A watch that is on a stream; dropping it takes it off.
pub(crate) struct Attachment {
    shared: Arc<Shared>,
    watch_id: u64,
}

impl Link {
    /// Connects and opens the stream. The outer error is of the connection, the inner one an answer that came over it.
    pub(super) async fn open(
        endpoint: &Endpoint,
        probe_interval: Duration,
    ) -> std::result::Result<Result<Self>, String> {
        let address = endpoint.address();
        let channel = endpoint.connect_with(|transport| transport).await?;
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            state: Mutex::default(),
        });
        let outgoing = Outgoing(Arc::clone(&shared));
        let mut watch = WatchClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        let responses = match watch.open(outgoing).await {
            Ok(responses) => responses.into_inner(),
            Err(status) => return Error::of_refused_stream(&status).map(|error| Err(error.with_context(address))),
        };
        let task = tokio::spawn(run(Arc::clone(&shared), responses, probe_interval));
        Ok(Ok(Self { shared, task }))
    }

    pub(super) fn is_alive(&self) -> bool {
        self.shared.state.lock().failed.is_none()
    }

    /// Asks the member for a watch; none if the stream has just failed.
    pub(super) fn attach(&self, watch_id: u64, seen: u64, subscription: &Arc<Subscription>) -> Option<Attachment> {
        let mut state = self.shared.state.lock();
        if state.failed.is_some() {
            return None;
        }
        let create = subscription.ask(watch_id, seen);
        state
            .watches
            .insert(watch_id, Attached::Watch(Arc::clone(subscription)));
        Some(self.ask(state, create))
    }

    /// The same of the watch of a cache.
    pub(super) fn attach_cache(
        &self,
        watch_id: u64,
        coherent: bool,
        cache: Arc<dyn CacheWatcher>,
        asked: impl FnOnce(u64),
    ) -> Option<Attachment> {
        let mut state = self.shared.state.lock();
        if state.failed.is_some() {
            return None;
        }
        asked(watch_id);
        state.watches.insert(watch_id, Attached::Cache(cache));
        let create = v1::WatchCreate {
            watch_id,
            start: Some(Start::Now(v1::WatchNow {})),
            cache: Some(v1::CacheWatch { coherent }),
            ..Default::default()
        };
        Some(self.ask(state, create))
    }

    fn ask(&self, mut state: MutexGuard<'_, State>, create: v1::WatchCreate) -> Attachment {
        let watch_id = create.watch_id;
        let sender = state.outbox.push(Request::Create(create));
        // The first watch asks at once: a member that is cut off from the others is left soon.
        let probe = state.probing.first(Instant::now());
        let probed = probe.and_then(|probe| state.outbox.push(Request::Probe(probe)));
        drop(state);
        wake(sender.or(probed));
        Attachment {
            shared: Arc::clone(&self.shared),
            watch_id,
        }
    }

    pub(super) fn close(&self, error: Error) {
        self.shared.fail(error);
        self.task.abort();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let message = format!("{}: the stream was dropped", self.shared.address);
        self.close(lost(message));
    }
}

impl Attachment {
    pub(crate) fn watch_id(&self) -> u64 {
        self.watch_id
    }

    /// Nothing is sent if the stream has failed: whoever is on it is told.
    pub(crate) fn send(&self, request: Request) {
        let mut state = self.shared.state.lock();
        if state.failed.is_some() {
            return;
        }
        let sender = state.outbox.push(request);
        drop(state);
        wake(sender);
    }

    /// Asks for a linearizable mark of this watch. `asked` is told the id before the mark can come. False if the stream has
    /// failed.
    pub(crate) fn probe(&self, asked: impl FnOnce(u64)) -> bool {
        let mut state = self.shared.state.lock();
        if state.failed.is_some() {
            return false;
        }
        let probe_id = state.probing.next_id();
        asked(probe_id);
        let sender = state.outbox.push(Request::Probe(v1::WatchProbe {
            probe_id,
            watch_ids: vec![self.watch_id],
            linearizable: true,
        }));
        drop(state);
        wake(sender);
        true
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let sender = state.take_off(self.watch_id);
        drop(state);
        wake(sender);
    }
}

/// Ends with the stream.
async fn run(shared: Arc<Shared>, responses: tonic::Streaming<v1::WatchResponse>, probe_interval: Duration) {
    // What has come is read before the time is found to be over.
    let error = tokio::select! {
        biased;
        error = shared.read(responses) => error,
        error = shared.keep_asking(probe_interval) => error,
    };
    shared.fail(error.with_context(&shared.address));
}

impl Shared {
    async fn read(&self, mut responses: tonic::Streaming<v1::WatchResponse>) -> Error {
        loop {
            match responses.message().await {
                Ok(Some(response)) => {
                    if let Err(error) = self.accept(response) {
                        return error;
                    }
                }
                Ok(None) => return lost("the member ended the stream".to_owned()),
                Err(status) => return Error::of_status(&status).with_outcome(Outcome::NotAMutation),
            }
        }
    }

    /// Returns when the member does not answer, or nobody watches any more.
    async fn keep_asking(&self, probe_interval: Duration) -> Error {
        loop {
            let asked = self.state.lock().probing.asked_at();
            tokio::time::sleep_until(asked.unwrap_or_else(Instant::now) + probe_interval).await;
            let mut state = self.state.lock();
            if state.watches.is_empty() {
                return lost("no watch is left".to_owned());
            }
            if asked != state.probing.asked_at() {
                continue;
            }
            match state.probing.next(Instant::now(), probe_interval) {
                Ok(probe) => wake(state.outbox.push(Request::Probe(probe))),
                Err(error) => return error,
            }
        }
    }

    /// An error is that of the whole stream.
    fn accept(&self, response: v1::WatchResponse) -> Result<()> {
        let events = response.messages.iter().map(|message| match &message.message {
            Some(Message::Events(events)) => bytes_of(events),
            _ => 0,
        });
        let message_bytes = events.sum();
        let mut wakers = Vec::new();
        let mut state = self.state.lock();
        let mut result = Ok(());
        for message in response.messages {
            result = state.accept(message, message_bytes, &mut wakers);
            if result.is_err() {
                break;
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Sends every watch away, and takes no more.
    fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        if state.failed.is_some() {
            return;
        }
        state.failed = Some(error.clone());
        let watches = std::mem::take(&mut state.watches);
        let sender = state.outbox.sender.take();
        drop(state);
        tracing::debug!(%error, watches = watches.len(), "stream of watches ended");
        for (watch_id, attached) in watches {
            attached.left(watch_id, Departure::Lost(error.clone()));
        }
        wake(sender);
    }
}

impl State {
    fn accept(&mut self, message: v1::WatchMessage, message_bytes: usize, wakers: &mut Vec<Waker>) -> Result<()> {
        match message.message {
            Some(Message::Created(created)) => {
                self.each(&[created.watch_id], |attached| match attached {
                    Attached::Watch(subscription) => subscription.created(&created),
                    Attached::Cache(cache) => cache.created(&created),
                });
            }
            Some(Message::Events(mut events)) => {
                let watch_ids = std::mem::take(&mut events.watch_ids);
                let delivery = Arc::new(Delivery::new(events, message_bytes));
                self.probing.moved();
                let mut replies = Vec::new();
                self.each(&watch_ids, |attached| match attached {
                    Attached::Watch(subscription) => subscription.deliver(&delivery, wakers),
                    Attached::Cache(cache) => cache.events(&delivery, &mut replies),
                });
                wakers.extend(replies.into_iter().filter_map(|reply| match reply {
                    Request::CacheApplied(applied) => self.outbox.push_applied(applied),
                    reply => self.outbox.push(reply),
                }));
            }
            Some(Message::Mark(mark)) => {
                if mark.error.is_none() || !self.is_of_cache(mark.probe_id) {
                    self.probing.answered(mark.probe_id, mark.error)?;
                }
                self.each(&mark.watch_ids, |attached| match attached {
                    Attached::Watch(subscription) => subscription.mark(mark.revision, wakers),
                    Attached::Cache(cache) => cache.mark(mark.probe_id, mark.revision),
                });
            }
            Some(Message::Canceled(canceled)) => {
                if let Some(attached) = self.watches.remove(&canceled.watch_id) {
                    attached.left(canceled.watch_id, departure(canceled.error));
                }
            }
            Some(Message::CacheKeysChanged(changed)) => {
                self.each(&[changed.watch_id], |attached| match attached {
                    Attached::Watch(_) => true,
                    Attached::Cache(cache) => cache.keys_changed(&changed),
                });
            }
            Some(Message::CacheInvalidate(invalidate)) => wakers.extend(self.invalidate(&invalidate)),
            // Of a later version.
            None => {}
        }
        Ok(())
    }

    /// Whether a cache asked this question, which could not be answered: it asks again, and nobody else is concerned.
    fn is_of_cache(&self, probe_id: u64) -> bool {
        self.watches.values().any(|attached| match attached {
            Attached::Watch(_) => false,
            Attached::Cache(cache) => cache.probe_failed(probe_id),
        })
    }

    fn invalidate(&mut self, invalidate: &v1::CacheInvalidate) -> Option<Waker> {
        let mut sender = None;
        for watch_id in &invalidate.watch_ids {
            let Some(Attached::Cache(cache)) = self.watches.get(watch_id) else {
                continue;
            };
            if let Some(what) = &invalidate.what {
                cache.invalidate(what);
            }
            let done = v1::CacheInvalidated {
                watch_id: *watch_id,
                invalidation_id: invalidate.invalidation_id,
            };
            sender = self.outbox.push(Request::CacheInvalidated(done)).or(sender);
        }
        sender
    }

    /// Those who answer false are taken off. One that was taken off before is not known, though events of it may come.
    fn each(&mut self, watch_ids: &[u64], mut answer: impl FnMut(&Attached) -> bool) {
        for watch_id in watch_ids {
            let stays = self.watches.get(watch_id).is_none_or(&mut answer);
            if !stays {
                wake(self.take_off(*watch_id));
            }
        }
    }

    fn take_off(&mut self, watch_id: u64) -> Option<Waker> {
        let known = self.watches.remove(&watch_id).is_some();
        known.then(|| self.outbox.cancel(watch_id)).flatten()
    }
}

impl Attached {
    fn left(&self, watch_id: u64, departure: Departure) {
        match self {
            Self::Watch(subscription) => subscription.left(watch_id, departure),
            Self::Cache(cache) => cache.left(watch_id, departure),
        }
    }
}

/// What a member's last word on a watch means.
fn departure(error: Option<v1::Error>) -> Departure {
    let Some(error) = error else {
        return Departure::Lost(lost("the member cancelled the watch and did not say why".to_owned()));
    };
    let error = Error::of_reply(error).with_outcome(Outcome::NotAMutation);
    match error.kind() {
        ErrorKind::Lagged { .. } => Departure::Lagging,
        _ => Departure::Refused(error),
    }
}

fn lost(message: String) -> Error {
    Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The sending side of the stream.
struct Outgoing(Arc<Shared>);

impl Stream for Outgoing {
    type Item = v1::WatchRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<v1::WatchRequest>> {
        let mut state = self.0.state.lock();
        if state.failed.is_some() {
            return Poll::Ready(None);
        }
        match state.outbox.pop() {
            Some(request) => Poll::Ready(Some(request)),
            None => {
                state.outbox.sender = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
