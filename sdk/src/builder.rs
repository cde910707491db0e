//! How a client is made.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::bulk::Bulk;
use crate::cache::{CacheSettings, Owned};
use crate::client::Client;
use crate::core::Core;
use crate::endpoint::CONNECT_TIMEOUT;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::instruments;
use crate::members;
use crate::retry::RetryBudget;
use crate::routing::{ENDPOINTS_MAX, Routing};
use crate::tls::Tls;
use crate::watch::Watches;

const CONNECTIONS_MAX: u32 = 64;
const NAME_BYTES_MAX: usize = 128;
const OUTSTANDING_MAX: u32 = 1 << 20;
const DAY_MS: u64 = 86_400_000;

/// Settings of a [`Client`]. Only the endpoints must be given.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect` is awaited"]
pub struct ClientBuilder {
    endpoints: Vec<String>,
    name: String,
    connections: u32,
    outstanding: u32,
    call_timeout: Duration,
    attempt_timeout: Duration,
    retry_burst: u32,
    retries_per_second: u32,
    watch_probe: Duration,
    refresh_members: Duration,
    nearest: Option<String>,
    cache: Option<CacheSettings>,
    tls: Option<Tls>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            name: String::new(),
            connections: 1,
            outstanding: 4_096,
            call_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(2),
            retry_burst: 16_384,
            retries_per_second: 1_024,
            watch_probe: Duration::from_secs(5),
            refresh_members: Duration::ZERO,
            nearest: None,
            cache: None,
            tls: None,
        }
    }
}

impl ClientBuilder {
    /// Addresses of members, `host:port` (a leading `http://` is accepted), 1 to 64; more are learnt from the cluster.
    /// Required.
    pub fn endpoints<A: Into<String>>(mut self, endpoints: impl IntoIterator<Item = A>) -> Self {
        self.endpoints = endpoints.into_iter().map(Into::into).collect();
        self
    }

    /// What the cluster's status shows for this client, at most 128 bytes. Default: empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Connections per member, 1 to 64. Default: 1, which carries hundreds of thousands of calls a second; more
    /// help only when one core can no longer encode them.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Calls that may be outstanding on one connection, 1 to 1,048,576; callers beyond that wait. Three quarters of as many
    /// may wait for locks, items and assignments. Default: 4,096.
    pub fn outstanding_calls(mut self, outstanding: u32) -> Self {
        self.outstanding = outstanding;
        self
    }

    /// How long a call may take, its retries included, kept to within some 10 ms. Default: 10 s. Every call can set its
    /// own.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// How long the first attempt of a call may take before another member is asked; each further attempt may take
    /// twice as long as the one before. Default: 2 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How many retries the whole client may spend: `burst` at once, refilled with `per_second`. When they are spent,
    /// calls fail at their first failure. Default: 16,384 and 1,024.
    pub fn retry_budget(mut self, burst: u32, per_second: u32) -> Self {
        self.retry_burst = burst;
        self.retries_per_second = per_second;
        self
    }

    /// How often a member that serves watches is asked whether it is in touch with a majority, and how long it has for the
    /// answer before the watches go elsewhere, from 10 ms to a day. Default: 5 s.
    pub fn watch_probe(mut self, interval: Duration) -> Self {
        self.watch_probe = interval;
        self
    }

    /// How often, about, the client asks who the members are, from 1 s to a day; also a moment after it was made and after a
    /// member failed. What it learns are endpoints from then on. It takes one connection more. Zero: never; then it learns of
    /// leaders, from members that are not, and of all members when the program lists or changes them. Default: zero.
    pub fn refresh_members(mut self, every: Duration) -> Self {
        self.refresh_members = every;
        self
    }

    /// The member, `host:port`, that calls of the eventual tier go to while it is connected. Default: the one that answered
    /// last.
    pub fn nearest(mut self, address: impl Into<String>) -> Self {
        self.nearest = Some(address.into());
        self
    }

    /// A read-through cache, which answers reads of single keys at [`BoundedStale`](crate::Consistency::BoundedStale) and
    /// [`Local`](crate::Consistency::Local) as far as it can prove what it answers. Default: none.
    ///
    /// ```no_run
    /// # async fn example() -> quorate::Result<()> {
    /// use quorate::{CacheSettings, Client};
    ///
    /// let cache = CacheSettings::new().entries_max(10_000);
    /// let client = Client::builder().endpoints(["127.0.0.1:7401"]).cache(cache).connect().await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache(mut self, settings: CacheSettings) -> Self {
        self.cache = Some(settings);
        self
    }

    /// Connects with TLS, to every member. Default: none, and connections are neither encrypted nor authenticated.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the client, and sees to it that one of the endpoints can be reached.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for a setting out of its range, an address that is not one, or a file of [`Tls`] that
    /// does not hold what it should;
    /// [`ErrorKind::ConnectionLost`], which names the reason for each endpoint, when none can be reached.
    pub async fn connect(self) -> Result<Client> {
        self.check()?;
        instruments::begin();
        let trust = match &self.tls {
            Some(tls) => Some(tls.open().await?),
            None => None,
        };
        let mut routing = Routing::new(&self.endpoints, trust, self.connections, self.outstanding)?;
        let budget = RetryBudget::new(self.retry_burst, self.retries_per_second, Instant::now());
        if let Some(address) = &self.nearest {
            routing.prefer(address)?;
        }
        // Three quarters of what one connection carries, rounded up.
        let waits_max = self.outstanding - self.outstanding / 4;
        let core = Core::new(
            routing,
            budget,
            self.attempt_timeout,
            self.call_timeout,
            self.name.clone(),
            waits_max as usize,
            Watches::new(self.watch_probe),
        );
        let endpoints = core.routing.endpoints();
        let mut reasons = Vec::new();
        for endpoint in &endpoints {
            match endpoint.connection(Bulk::Small, &AtomicU64::new(0)).await {
                Ok(_) => return Ok(self.client(core)),
                Err(reason) => reasons.push(reason),
            }
            core.routing.distrust(endpoint);
        }
        let message = format!("no endpoint could be reached: {}", reasons.join("; "));
        Err(Error::new(ErrorKind::ConnectionLost, Outcome::NotApplied, message))
    }

    fn client(&self, core: Core) -> Client {
        let core = Arc::new(core);
        if let Some(settings) = &self.cache {
            let owned = Owned::start(&core, settings.clone(), self.watch_probe);
            core.cache.get_or_init(|| owned);
        }
        if !self.refresh_members.is_zero() {
            tokio::spawn(members::follow(Arc::downgrade(&core), self.refresh_members));
        }
        Client::new(core)
    }

    fn check(&self) -> Result<()> {
        within("endpoints", self.endpoints.len() as u64, 1, ENDPOINTS_MAX as u64)?;
        within("connections", self.connections.into(), 1, CONNECTIONS_MAX.into())?;
        within("outstanding_calls", self.outstanding.into(), 1, OUTSTANDING_MAX.into())?;
        within("name", self.name.len() as u64, 0, NAME_BYTES_MAX as u64)?;
        for (field, timeout) in [
            ("call_timeout", self.call_timeout),
            ("attempt_timeout", self.attempt_timeout),
        ] {
            check_timeout(field, timeout)?;
        }
        let probe_ms = u64::try_from(self.watch_probe.as_millis()).unwrap_or(u64::MAX);
        within("watch_probe", probe_ms, 10, DAY_MS)?;
        if !self.refresh_members.is_zero() {
            let refresh_ms = u64::try_from(self.refresh_members.as_millis()).unwrap_or(u64::MAX);
            within("refresh_members", refresh_ms, 1000, DAY_MS)?;
        }
        self.cache.as_ref().map_or(Ok(()), CacheSettings::check)
    }

    /// The longest time that [`connect`](Self::connect) spends on one endpoint.
    pub const CONNECT_TIMEOUT: Duration = CONNECT_TIMEOUT;
}

/// A time-out is at least a millisecond, the unit of the wire, and at most a day.
pub(crate) fn check_timeout(field: &str, timeout: Duration) -> Result<()> {
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    within(field, timeout_ms, 1, DAY_MS)
}

pub(crate) fn within(field: &str, value: u64, min: u64, max: u64) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let limit = if value < min { min } else { max };
    let kind = ErrorKind::InvalidArgument {
        field: field.to_owned(),
        limit,
        value,
    };
    Err(Error::new(
        kind,
        Outcome::NotApplied,
        format!("{field} is {value}; it may be {min} to {max}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_setting_out_of_range_is_refused_with_its_name_value_and_limit() {
        let error = Client::builder()
            .endpoints(["h:1"])
            .connections(65)
            .connect()
            .await
            .err()
            .unwrap();
        let kind = ErrorKind::InvalidArgument {
            field: "connections".to_owned(),
            limit: 64,
            value: 65,
        };
        assert_eq!(error.kind(), &kind);
        assert_eq!(error.message(), "connections is 65; it may be 1 to 64");
        assert!(!error.is_retryable());
    }

    #[tokio::test]
    async fn a_client_needs_an_endpoint() {
        let error = Client::builder().connect().await.err().unwrap();
        assert_eq!(error.message(), "endpoints is 0; it may be 1 to 64");
    }
}
