//! One address: its connections, opened when first needed, and its circuit breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tonic::transport::Channel;

use crate::breaker::Breaker;
use crate::bulk::Bulk;
use crate::connection::Connection;
use crate::connector::Connector;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::instruments;
use crate::tls::Trust;
use crate::wire::{Eventual, Strong, Wire};

/// Flow-control windows: a batch of replies never waits for a window update on a fast network.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// A silent peer is asked after this long, and given up after as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Establishing a connection, the stream included, takes at most this long.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// `host:port` out of what a person or a member wrote.
pub(crate) fn normal_address(text: &str) -> Result<String> {
    let trimmed = text.trim();
    let bare = trimmed.strip_prefix("http://").unwrap_or(trimmed).trim_end_matches('/');
    let refuse = |why: &str| Err(Error::invalid("endpoints", format!("{text:?} is not host:port: {why}")));
    if bare.contains("://") {
        return refuse("only http:// is understood; for TLS leave https:// out, and give the builder `tls`");
    }
    let Some((host, port)) = bare.rsplit_once(':') else {
        return refuse("the port is missing");
    };
    if host.is_empty() || host.contains(['/', ' ', '@']) {
        return refuse("the host is not valid");
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(bare.to_owned()),
        _ => refuse("the port is not a number from 1 to 65535"),
    }
}

/// A connection, or why there is none.
type Opened<W> = std::result::Result<Arc<Connection<W>>, NotOpened>;

/// Why there is no connection.
pub(crate) enum NotOpened {
    /// There is nobody, or nobody that could be reached.
    Unreachable(String),
    /// The member itself refuses this protocol, which says nothing about others.
    Refused(Error),
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self::Unreachable(reason)
    }
}

/// One connection's place.
struct Cell<W: Wire> {
    current: Mutex<Option<Arc<Connection<W>>>>,
    /// Held while connecting, so that one caller connects for all.
    opening: tokio::sync::Mutex<()>,
    /// Attempts to connect that failed.
    failures: AtomicU64,
    opened: AtomicBool,
}

/// The connections of one protocol.
struct Lane<W: Wire> {
    cells: Box<[Cell<W>]>,
    next: AtomicUsize,
}

/// An address that may be called.
pub(crate) struct Endpoint {
    address: String,
    connector: Connector,
    identity: Arc<Identity>,
    strong: Lane<Strong>,
    /// Large calls, so that small ones do not wait behind them.
    bulk: Lane<Strong>,
    eventual: Lane<Eventual>,
    outstanding_max: u32,
    breaker: Mutex<Breaker>,
    /// For calls that are not on the stream.
    unary: std::sync::OnceLock<Channel>,
    closed: AtomicBool,
}

impl Endpoint {
    /// `address` is `host:port`, as [`normal_address`] gives it.
    /// Without `trust` there is no TLS.
    pub(crate) fn new(
        address: &str,
        identity: Arc<Identity>,
        trust: Option<Arc<Trust>>,
        connections: u32,
        outstanding_max: u32,
    ) -> Result<Self> {
        let transport = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Error::invalid("endpoints", format!("{address:?} is not host:port: {error}")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        Ok(Self {
            address: address.to_owned(),
            connector: Connector::new(transport, address, trust),
            identity,
            strong: Lane::new(connections),
            bulk: Lane::new(1),
            eventual: Lane::new(connections),
            outstanding_max,
            breaker: Mutex::new(Breaker::new()),
            unary: std::sync::OnceLock::new(),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.strong.is_connected() || self.eventual.is_connected()
    }

    /// Whether the breaker would let an attempt through.
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.breaker.lock().would_allow(now)
    }

    /// A connection of the strong tier for calls of this bulk, opened if need be. `reconnected` is raised when one had been
    /// open before. The error says why.
    pub(crate) async fn connection(
        &self,
        bulk: Bulk,
        reconnected: &AtomicU64,
    ) -> std::result::Result<Arc<Connection<Strong>>, String> {
        let lane = match bulk {
            Bulk::Small => &self.strong,
            Bulk::Large => &self.bulk,
        };
        let connected = self.connect(lane, reconnected).await;
        connected.map_err(|not_opened| match not_opened {
            NotOpened::Unreachable(reason) => reason,
            NotOpened::Refused(error) => error.to_string(),
        })
    }

    /// A connection of the eventual tier, as [`connection`](Self::connection).
    pub(crate) async fn eventual_connection(&self, reconnected: &AtomicU64) -> Opened<Eventual> {
        self.connect(&self.eventual, reconnected).await
    }

    async fn connect<W: Wire>(&self, lane: &Lane<W>, reconnected: &AtomicU64) -> Opened<W> {
        let cell = lane.cell_in_turn();
        if let Some(connection) = cell.live() {
            return Ok(connection);
        }
        let failures = cell.failures.load(Ordering::Acquire);
        let _opening = cell.opening.lock().await;
        if let Some(connection) = cell.live() {
            return Ok(connection);
        }
        if cell.failures.load(Ordering::Acquire) != failures {
            let reason = format!("{}: another call has just failed to connect", self.address);
            return Err(reason.into());
        }
        self.open(cell, reconnected).await
    }

    async fn open<W: Wire>(&self, cell: &Cell<W>, reconnected: &AtomicU64) -> Opened<W> {
        self.forget_dead(cell);
        let opening = Connection::open(&self.connector, &self.identity, self.outstanding_max);
        let failed = match self.dial(opening).await {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                *cell.current.lock() = Some(Arc::clone(&connection));
                if cell.opened.swap(true, Ordering::Relaxed) {
                    reconnected.fetch_add(1, Ordering::Relaxed);
                }
                // Closing may have come between the check and here.
                if self.is_closed() {
                    connection.close("the client is closed");
                }
                return Ok(connection);
            }
            Ok(Err(refused)) => NotOpened::Refused(refused.with_context(&self.address)),
            Err(reason) => NotOpened::Unreachable(reason),
        };
        cell.failures.fetch_add(1, Ordering::AcqRel);
        Err(failed)
    }

    /// Runs `opening`, which connects to it with its connector, if the breaker lets it, and tells the
    /// breaker how it went. The error says why.
    pub(crate) async fn dial<T>(
        &self,
        opening: impl Future<Output = std::result::Result<T, String>>,
    ) -> std::result::Result<T, String> {
        if self.is_closed() {
            return Err("the client is closed".to_owned());
        }
        if !self.breaker.lock().allow(Instant::now()) {
            return Err(format!("{}: not tried, it failed a moment ago", self.address));
        }
        let opened = match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(opened) => opened,
            Err(_elapsed) => Err(format!("no connection within {CONNECT_TIMEOUT:?}")),
        };
        match opened {
            Ok(opened) => {
                self.judge(Breaker::succeeded);
                Ok(opened)
            }
            Err(reason) => {
                self.judge(|breaker| breaker.failed(Instant::now()));
                Err(format!("{}: {reason}", self.address))
            }
        }
    }

    /// Tells the breaker how it went, and who counts if that made a difference.
    fn judge(&self, tell: impl FnOnce(&mut Breaker)) {
        let mut breaker = self.breaker.lock();
        let before = breaker.is_open();
        tell(&mut breaker);
        let open = breaker.is_open();
        drop(breaker);
        if open != before {
            instruments::circuit(&self.address, open);
        }
    }

    /// Makes sure that who answers there is of this client's cluster, for calls that are not on the stream. The error says why
    /// not.
    pub(crate) async fn check_cluster(&self) -> std::result::Result<(), String> {
        let checked = self.identity.check(self.channel()).await;
        checked.map_err(|reason| format!("{}: {reason}", self.address))
    }

    /// Connects to it, apart from its other connections, and makes sure that it is of this client's cluster. For
    /// [`dial`](Self::dial). The error says why not.
    pub(crate) async fn connect_with(
        &self,
        configure: impl FnOnce(tonic::transport::Endpoint) -> tonic::transport::Endpoint,
    ) -> std::result::Result<Channel, String> {
        let channel = self.connector.with(configure).connect().await?;
        self.identity.check(channel.clone()).await?;
        Ok(channel)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A connection broke: lets the breaker know, once per connection.
    pub(crate) fn connection_lost(&self) {
        for cell in self.strong.cells.iter().chain(&self.bulk.cells) {
            self.forget_dead(cell);
        }
        for cell in &self.eventual.cells {
            self.forget_dead(cell);
        }
    }

    fn forget_dead<W: Wire>(&self, cell: &Cell<W>) {
        let mut current = cell.current.lock();
        if current.as_ref().is_some_and(|connection| !connection.is_alive()) {
            *current = None;
            self.judge(|breaker| breaker.failed(Instant::now()));
        }
    }

    /// The channel for calls that are not on the stream; it connects by itself.
    pub(crate) fn channel(&self) -> Channel {
        self.unary.get_or_init(|| self.connector.connect_lazy()).clone()
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.strong.close();
        self.bulk.close();
        self.eventual.close();
    }
}

impl<W: Wire> Lane<W> {
    fn new(connections: u32) -> Self {
        Self {
            cells: (0..connections).map(|_| Cell::default()).collect(),
            next: AtomicUsize::new(0),
        }
    }

    fn is_connected(&self) -> bool {
        self.cells.iter().any(|cell| cell.live().is_some())
    }

    fn cell_in_turn(&self) -> &Cell<W> {
        let turn = if self.cells.len() == 1 {
            0
        } else {
            self.next.fetch_add(1, Ordering::Relaxed) % self.cells.len()
        };
        &self.cells[turn]
    }

    fn close(&self) {
        for cell in &self.cells {
            if let Some(connection) = cell.current.lock().take() {
                connection.close("the client is closed");
            }
        }
    }
}

impl<W: Wire> Default for Cell<W> {
    fn default() -> Self {
        Self {
            current: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
            opened: AtomicBool::new(false),
        }
    }
}

impl<W: Wire> Cell<W> {
    fn live(&self) -> Option<Arc<Connection<W>>> {
        self.current
            .lock()
            .as_ref()
            .filter(|connection| connection.is_alive())
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_carry_http_and_nothing_else() {
        assert_eq!(normal_address("127.0.0.1:7401").unwrap(), "127.0.0.1:7401");
        assert_eq!(normal_address(" http://node-1:7401/ ").unwrap(), "node-1:7401");
        assert_eq!(normal_address("[::1]:7401").unwrap(), "[::1]:7401");
        for wrong in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:70000",
            "https://host:1",
            "a b:1",
            "host:1/path",
        ] {
            let error = normal_address(wrong).unwrap_err();
            assert!(error.message().contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
