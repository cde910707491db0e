//! Dropping records on purpose, here or everywhere.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::watch_client::WatchClient;

use super::handle::Cache;

use super::lane::lost;
use super::selects::{Stale, check};
use crate::call::Nature;
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::retry::Backoff;
use crate::routing::Route;

/// How long caches are waited for at most.
const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// An invalidation. What was read before it, and has not come yet, is not taken in either.
#[must_use = "nothing is dropped until it is awaited"]
pub struct Invalidate {
    cache: Cache,
    stale: Stale,
    domain: String,
    everywhere: bool,
    wait: Duration,
}

/// What an [`Invalidate`] has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// Entries that this cache dropped.
    pub dropped: u64,
    /// Caches of the cluster that were told, this one among them; 0 unless [`everywhere`](Invalidate::everywhere) was asked
    /// for.
    pub told: u64,
    /// Those of them that have said that they dropped it.
    pub acknowledged: u64,
    /// Members that could not be reached: what their caches hold is not known.
    pub unreached: Vec<u64>,
    /// It was waited for; otherwise only the caches of the member that was asked are counted, and none of them has answered.
    pub waited: bool,
}

impl Invalidated {
    /// Whether every cache that a stream kept true meanwhile is known to have dropped it: it was
    /// [waited for](Invalidate::acknowledged), every member was reached, and every cache has said so. One whose stream was
    /// broken is not among them: it answers nothing, and when it has a stream again it goes on with those of its entries that
    /// are the same as in the store.
    pub fn is_complete(&self) -> bool {
        self.waited && self.unreached.is_empty() && self.acknowledged == self.told
    }
}

impl Invalidate {
    pub(super) fn new(cache: &Cache, stale: Stale) -> Self {
        Self {
            cache: cache.clone(),
            stale,
            domain: String::new(),
            everywhere: false,
            wait: Duration::ZERO,
        }
    }

    /// The domain. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// Tells every cache of the cluster that a stream keeps true; none is waited for. Default: only this one.
    pub fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// The same, and waits until they have said that they dropped it, at most that long, up to 60 s. Default: not at all.
    pub fn acknowledged(mut self, timeout: Duration) -> Self {
        self.everywhere = true;
        self.wait = timeout;
        self
    }

    async fn run(self) -> Result<Invalidated> {
        let refused = |error: Error| error.with_outcome(Outcome::NotAMutation);
        if self.wait > ACKNOWLEDGED_MAX {
            let (limit, value) = (whole_ms(ACKNOWLEDGED_MAX), whole_ms(self.wait));
            let field = "acknowledged".to_owned();
            let kind = ErrorKind::InvalidArgument { field, limit, value };
            let message = format!("acknowledged is {value} ms; it may be at most {limit}");
            return Err(Error::new(kind, Outcome::NotAMutation, message));
        }
        let selector = self.stale.into_selector(&self.domain);
        check(&selector).map_err(refused)?;
        let core = self.cache.core()?;
        let _running = core.begin(Nature::Read)?;
        let dropped = self.cache.shared.invalidate(&selector);
        if !self.everywhere {
            return Ok(Invalidated {
                dropped,
                ..Invalidated::default()
            });
        }
        let request = v1::InvalidateRequest {
            what: Some(selector),
            wait_ms: whole_ms(self.wait),
        };
        let response = tell_members(&core, request, self.wait).await?;
        Ok(Invalidated {
            dropped,
            told: response.told,
            acknowledged: response.acknowledged,
            unreached: response.unreached,
            waited: !self.wait.is_zero(),
        })
    }
}

/// Repeating it does no harm: another member is asked when one does not answer.
async fn tell_members(core: &Core, request: v1::InvalidateRequest, wait: Duration) -> Result<v1::InvalidateResponse> {
    let deadline = tokio::time::Instant::now() + core.call_timeout + wait;
    let mut backoff = Backoff::of_call();
    let mut avoid = None;
    loop {
        let picked = core.routing.pick(Route::Any, avoid.as_ref(), std::time::Instant::now());
        let error = match picked {
            Some(endpoint) => match ask(core, &endpoint, &request, wait).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    core.routing.turn_from(&endpoint);
                    avoid = Some(endpoint);
                    error
                }
            },
            None => {
                let message = "every endpoint failed a moment ago, none is tried right now";
                Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
            }
        };
        let delay = backoff.next_delay();
        let may_retry = error.kind().is_retried() && !core.is_closed();
        let in_time = tokio::time::Instant::now() + delay < deadline;
        if !may_retry || !in_time || !core.budget.take(std::time::Instant::now()) {
            return Err(error);
        }
        core.stats.retries.count();
        tokio::time::sleep(delay).await;
    }
}

async fn ask(
    core: &Core,
    endpoint: &Endpoint,
    request: &v1::InvalidateRequest,
    wait: Duration,
) -> Result<v1::InvalidateResponse> {
    let patience = wait + core.call_timeout;
    endpoint.check_cluster().await.map_err(lost)?;
    let mut member = WatchClient::new(endpoint.channel());
    let mut message = tonic::Request::new(request.clone());
    message.set_timeout(patience);
    let answered = match tokio::time::timeout(patience, member.invalidate(message)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(Error::of_status(&status).with_context(endpoint.address())),
        Err(_elapsed) => {
            let message = format!("{}: no answer within {patience:?}", endpoint.address());
            Err(Error::new(ErrorKind::DeadlineExceeded, Outcome::NotAMutation, message))
        }
    };
    answered.map_err(|error| error.with_outcome(Outcome::NotAMutation))
}

impl IntoFuture for Invalidate {
    type Output = Result<Invalidated>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
