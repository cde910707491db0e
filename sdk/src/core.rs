//! What all calls of one client share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::builder::check_timeout;
use crate::cache::{Owned, Shared};
use crate::call::{Call, Nature};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::Tier;
use crate::lease::Keeper;
use crate::retry::RetryBudget;
use crate::routing::{Route, Routing};
use crate::seen::Seen;
use crate::session::{Registration, Session};
use crate::watch::Watches;

/// A counter that is read for people, not for decisions.
#[derive(Debug, Default)]
pub(crate) struct Counter(pub(crate) AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: Counter,
    pub(crate) retries: Counter,
    pub(crate) redirects: Counter,
    pub(crate) reconnects: Counter,
    pub(crate) unknown_outcomes: Counter,
    pub(crate) watch_retries: Counter,
}

/// What a client has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls begun.
    pub calls: u64,
    /// Attempts repeated after a failure, redirects not included.
    pub retries: u64,
    /// Attempts that a member sent on to the leader.
    pub redirects: u64,
    /// Connections opened in place of one that was lost.
    pub reconnects: u64,
    /// Mutations that ended with [`Outcome::Unknown`].
    pub unknown_outcomes: u64,
    /// Times that a watch was asked for again: its member was lost, refused it, or its consumer had fallen behind.
    pub watch_retries: u64,
    /// Addresses of members that it knows now, configured and learnt.
    pub endpoints: u64,
}

/// A client without its handle.
pub(crate) struct Core {
    pub(crate) routing: Routing,
    pub(crate) session: Session,
    pub(crate) keeper: Keeper,
    pub(crate) watches: Watches,
    pub(crate) eventual: Tier,
    pub(crate) cache: OnceLock<Owned>,
    /// Places for calls that wait for something to happen.
    waits: Semaphore,
    pub(crate) budget: RetryBudget,
    pub(crate) stats: Counters,
    pub(crate) attempt_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) name: String,
    pub(crate) seen: Arc<Seen>,
    closing: AtomicBool,
    closed: AtomicBool,
    /// For those who wait for that.
    closed_signal: tokio::sync::watch::Sender<bool>,
    running: AtomicUsize,
    idle: Notify,
}

impl Core {
    pub(crate) fn new(
        routing: Routing,
        budget: RetryBudget,
        attempt_timeout: Duration,
        call_timeout: Duration,
        name: String,
        waits_max: usize,
        watches: Watches,
    ) -> Self {
        Self {
            routing,
            session: Session::default(),
            keeper: Keeper::default(),
            watches,
            eventual: Tier::default(),
            cache: OnceLock::new(),
            waits: Semaphore::new(waits_max),
            budget,
            stats: Counters::default(),
            attempt_timeout,
            call_timeout,
            name,
            seen: Arc::default(),
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            closed_signal: tokio::sync::watch::Sender::new(false),
            running: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Sends a read and returns its response, never [`Response::Error`].
    pub(crate) async fn read(&self, request: Request, route: Route, timeout: Option<Duration>) -> Result<Response> {
        let waits = matches!(&request, Request::Query(query) if query.wait_ms > 0);
        // Calls that wait for others must leave room for those that they wait for.
        let _place = match waits {
            true => self.waits.acquire().await.ok(),
            false => None,
        };
        self.call(request, Nature::Read, route, timeout).await
    }

    /// Sends a mutation; its retries apply once.
    pub(crate) async fn mutate(&self, request: Request, timeout: Option<Duration>) -> Result<Response> {
        let _writing = self.cache().and_then(|cache| cache.writing(&request));
        self.call(request, Nature::Stamped, Route::Leader, timeout).await
    }

    pub(crate) async fn call(
        &self,
        request: Request,
        nature: Nature,
        route: Route,
        timeout: Option<Duration>,
    ) -> Result<Response> {
        let _running = self.begin(nature)?;
        if let Some(timeout) = timeout {
            check_timeout("timeout", timeout)?;
        }
        Call::new(self, request, nature, route, timeout.unwrap_or(self.call_timeout))
            .run()
            .await
    }

    /// Counts a call in, unless the client is closing.
    pub(crate) fn begin(&self, nature: Nature) -> Result<Running<'_>> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self);
        if self.closing.load(Ordering::SeqCst) {
            let outcome = if nature == Nature::Read {
                Outcome::NotAMutation
            } else {
                Outcome::NotApplied
            };
            return Err(Error::new(ErrorKind::Closed, outcome, "the client was closed"));
        }
        self.stats.calls.count();
        Ok(running)
    }

    /// The registration in use, made now if there is none. A box, because registering is a call and a call may register;
    /// it is needed once per registration.
    pub(crate) fn register(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Registration>>> {
        let register = move || async move {
            let request = Request::RegisterClient(v1::RegisterClientRequest {
                name: self.name.clone(),
            });
            let timeout = deadline.saturating_duration_since(Instant::now());
            let call = Call::new(self, request, Nature::Read, Route::Leader, timeout);
            match call
                .run()
                .await
                .map_err(|error| error.with_context("registering the client"))?
            {
                Response::RegisterClient(response) => Ok(response),
                other => Err(unexpected("RegisterClient", &other)),
            }
        };
        Box::pin(async move {
            match tokio::time::timeout_at(deadline, self.session.registration(register)).await {
                Ok(registration) => registration,
                Err(_elapsed) => {
                    let message = "the client could not be registered in time";
                    Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::NotApplied, message))
                }
            }
        })
    }

    /// Learns the revision that a response reflects.
    pub(crate) fn observe(&self, response: &Response) {
        let header = match response {
            Response::Get(response) => &response.header,
            Response::Put(response) => &response.header,
            Response::Delete(response) => &response.header,
            Response::Range(response) => &response.header,
            Response::Txn(response) => &response.header,
            Response::Compact(response) => &response.header,
            Response::RegisterClient(response) => &response.header,
            Response::KeepAlive(response) => &response.header,
            Response::Query(response) => &response.header,
            Response::DomainCreate(response) => &response.header,
            Response::DomainList(response) => &response.header,
            Response::DomainGet(response) => &response.header,
            Response::DomainChange(response) => &response.header,
            Response::DomainDrop(response) => &response.header,
            Response::Error(_) => &None,
        };
        if let Some(header) = header {
            self.observe_revision(header.store_epoch, header.revision);
        }
    }

    pub(crate) fn observe_revision(&self, epoch: u64, revision: u64) {
        self.seen.observe(epoch, revision);
    }

    /// The highest revision this client has seen.
    pub(crate) fn seen_revision(&self) -> u64 {
        self.seen.revision()
    }

    /// The newest epoch of the store that this client has seen, and the highest revision within it.
    pub(crate) fn seen_point(&self) -> (u64, u64) {
        self.seen.point()
    }

    /// The cache, if the client was built with one.
    pub(crate) fn cache(&self) -> Option<&Arc<Shared>> {
        self.cache.get().map(Owned::shared)
    }

    /// Returns when the client is closed.
    pub(crate) async fn until_closed(&self) {
        let mut closed = self.closed_signal.subscribe();
        // The sender lives as long as this.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Changes when the client is closed, and ends with it.
    pub(crate) fn closing_signal(&self) -> tokio::sync::watch::Receiver<bool> {
        self.closed_signal.subscribe()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> ClientStats {
        ClientStats {
            calls: self.stats.calls.read(),
            retries: self.stats.retries.read(),
            redirects: self.stats.redirects.read(),
            reconnects: self.stats.reconnects.read(),
            unknown_outcomes: self.stats.unknown_outcomes.read(),
            watch_retries: self.stats.watch_retries.read(),
            endpoints: self.routing.endpoints().len() as u64,
        }
    }

    /// Refuses new calls, waits for those that run, at most `timeout`, and ends every connection.
    pub(crate) async fn close(&self, timeout: Duration) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(owned) = self.cache.get() {
            owned.close();
        }
        let drained = async {
            loop {
                let idle = self.idle.notified();
                if self.running.load(Ordering::SeqCst) == 0 {
                    return;
                }
                idle.await;
            }
        };
        if tokio::time::timeout(timeout, drained).await.is_err() {
            tracing::warn!(
                calls = self.running.load(Ordering::SeqCst),
                "closed with calls outstanding"
            );
        }
        self.closed.store(true, Ordering::SeqCst);
        self.closed_signal.send_replace(true);
        self.routing.close();
        self.watches.close();
    }
}

/// A call that runs.
pub(crate) struct Running<'a>(&'a Core);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let last = self.0.running.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.0.closing.load(Ordering::SeqCst) {
            self.0.idle.notify_waiters();
        }
    }
}

/// The member answered another call than the one that was made.
pub(crate) fn unexpected(call: &str, response: &Response) -> Error {
    let got = match response {
        Response::Error(_) => "Error",
        Response::Get(_) => "Get",
        Response::Put(_) => "Put",
        Response::Delete(_) => "Delete",
        Response::Range(_) => "Range",
        Response::Txn(_) => "Txn",
        Response::Compact(_) => "Compact",
        Response::RegisterClient(_) => "RegisterClient",
        Response::KeepAlive(_) => "KeepAlive",
        Response::Query(_) => "Query",
        Response::DomainCreate(_) => "DomainCreate",
        Response::DomainList(_) => "DomainList",
        Response::DomainGet(_) => "DomainGet",
        Response::DomainChange(_) => "DomainChange",
        Response::DomainDrop(_) => "DomainDrop",
    };
    Error::new(
        ErrorKind::Protocol,
        Outcome::Unknown,
        format!("{call} was answered with a reply to {got}"),
    )
}
