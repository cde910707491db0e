//! The life of one call: attempts, redirects, delays, and the verdict when they end.
//!
//! Invariants: every attempt of a mutation carries the same client id and sequence; an attempt whose answer did not come
//! makes the outcome doubtful until an answer to that sequence comes; a call ends by its deadline, within the sweep's
//! precision.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;
use tokio::time::Instant;
use tracing::Instrument;

use crate::bulk::Bulk;
use crate::connection::Connection;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::followed::{self, Attempt, Named};
use crate::instruments::{self, Method};
use crate::pipeline::REQUEST_BYTES_MAX;
use crate::retry::Backoff;
use crate::routing::Route;
use crate::session::Stamp;
use crate::slots::Lost;
use crate::wire::Strong;

/// Redirects that are followed without a delay; members that send a caller round in a circle do not make it spin.
pub(crate) const REDIRECTS_AT_ONCE_MAX: u32 = 3;
/// With less time than this, no further attempt is made.
const LAST_ATTEMPT_MIN: Duration = Duration::from_millis(2);

/// What a call promises when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Read,
    /// Carries a stamp: its attempts apply once.
    Stamped,
    /// Repeating it does no harm, but a failure leaves its outcome open.
    Idempotent,
}

/// An attempt that failed.
struct Failure {
    error: Error,
    /// The attempt may have been applied nevertheless.
    in_doubt: bool,
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Stop,
    AfterDelay,
    /// There is a hint to follow.
    AtOnce,
    /// The client id is unknown: only with a new one.
    Register,
}

/// One call.
pub(crate) struct Call<'a> {
    core: &'a Core,
    request: Request,
    bulk: Bulk,
    nature: Nature,
    route: Route,
    timeout: Duration,
    attempt_timeout: Duration,
    deadline: Instant,
    stamp: Option<Stamp>,
    attempts: u32,
    /// What the newest attempt is called by.
    named: Option<Named>,
    redirects: u32,
    registered_again: bool,
    in_doubt: bool,
    backoff: Backoff,
    avoid: Option<Arc<Endpoint>>,
    /// What the last attempt that reached an endpoint met.
    last_error: Option<Error>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(core: &'a Core, request: Request, nature: Nature, route: Route, timeout: Duration) -> Self {
        Self {
            core,
            bulk: Bulk::of(&request),
            request,
            nature,
            route,
            timeout,
            attempt_timeout: core.attempt_timeout,
            deadline: Instant::now() + timeout,
            stamp: None,
            attempts: 0,
            named: None,
            redirects: 0,
            registered_again: false,
            in_doubt: false,
            backoff: Backoff::of_call(),
            avoid: None,
            last_error: None,
        }
    }

    /// How long the first attempt may take, at most what the client's setting says.
    pub(crate) fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout.min(self.core.attempt_timeout);
        self
    }

    /// Tries until there is an answer, or nothing more may be tried.
    pub(crate) async fn run(mut self) -> Result<Response> {
        let (method, began) = (Method::of(&self.request), Instant::now());
        let span = followed::span(method.name());
        let result = self.attempts().instrument(span.clone()).await;
        followed::ended(&span, self.named, self.attempts, &result);
        instruments::called(method, began, &result);
        result
    }

    async fn attempts(&mut self) -> Result<Response> {
        loop {
            if self.nature == Nature::Stamped && self.stamp.is_none() {
                match self.stamp_anew().await {
                    Ok(stamp) => self.stamp = Some(stamp),
                    Err(error) => return Err(self.verdict(error)),
                }
            }
            let failure = match self.attempt().await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            self.in_doubt |= failure.in_doubt;
            if !self.prepare_next(&failure).await {
                return Err(self.verdict(failure.error));
            }
            self.last_error = Some(failure.error);
        }
    }

    async fn stamp_anew(&self) -> Result<Stamp> {
        let registration = match self.core.session.current() {
            Some(registration) => registration,
            None => self.core.register(self.deadline).await?,
        };
        registration.begin(self.deadline).await
    }

    /// Waits as the failure demands; false when the call is over.
    async fn prepare_next(&mut self, failure: &Failure) -> bool {
        if self.core.is_closed() {
            return false;
        }
        let at_once = match failure.next {
            Next::Stop => return false,
            Next::Register if self.in_doubt || self.registered_again => return false,
            Next::Register => {
                self.registered_again = true;
                // The sequence was refused with its client: it goes with it.
                if let Some(stamp) = self.stamp.take() {
                    self.core.session.expire(stamp.registration());
                }
                true
            }
            Next::AtOnce => {
                self.redirects += 1;
                self.core.stats.redirects.count();
                self.redirects <= REDIRECTS_AT_ONCE_MAX
            }
            Next::AfterDelay => false,
        };
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        if at_once {
            return true;
        }
        // Close to the deadline the delays shrink with the time that is left: a short call is retried, too.
        let left = self.deadline - now;
        let delay = self.backoff.next_delay().min(left / 2);
        if left < LAST_ATTEMPT_MIN || !self.core.budget.take(now.into_std()) {
            return false;
        }
        self.core.stats.retries.count();
        instruments::retried();
        tokio::time::sleep(delay).await;
        true
    }

    async fn attempt(&mut self) -> std::result::Result<Response, Failure> {
        let now = Instant::now();
        let Some(endpoint) = self.core.routing.pick(self.route, self.avoid.as_ref(), now.into_std()) else {
            return Err(not_sent(
                "every endpoint failed a moment ago, none is tried right now".to_owned(),
            ));
        };
        let connection = match self.connection(&endpoint).await {
            Ok(connection) => connection,
            Err(reason) => {
                self.leave(&endpoint);
                return Err(not_sent(reason));
            }
        };
        self.attempts += 1;
        // Each attempt may take twice as long as the one before: slow answers still come through.
        let patience = self.attempt_timeout.saturating_mul(1 << (self.attempts - 1).min(10));
        let attempt_deadline = self.deadline.min(now + patience + asked_to_wait(&self.request));
        let mut request = self.request.clone();
        if let Some(stamp) = &self.stamp {
            set_stamp(&mut request, stamp.to_wire());
        }
        let mut attempt = Attempt::new();
        self.named = self.stamp.as_ref().map(|stamp| Named::Stamp(stamp.name()));
        let exchange = connection.exchange(request, attempt_deadline, &mut self.stamp, &mut attempt);
        let answer = exchange.await;
        if let (None, Some(call)) = (self.named, attempt.id) {
            let connection = connection.number();
            self.named = Some(Named::Call { connection, call });
        }
        let answered = match answer {
            Ok(Response::Error(error)) => Err(self.refused(&endpoint, error)),
            Ok(response) => {
                self.core.observe(&response);
                if self.nature == Nature::Stamped {
                    self.core.routing.confirm_leader(&endpoint);
                }
                Ok(response)
            }
            Err(lost) => Err(self.lost(&endpoint, lost)),
        };
        let failed = answered.as_ref().err().map(|failure| failure.error.message());
        attempt.ended(self.named, endpoint.address(), now, failed);
        answered
    }

    async fn connection(&self, endpoint: &Endpoint) -> std::result::Result<Arc<Connection<Strong>>, String> {
        let reconnects = &self.core.stats.reconnects.0;
        match tokio::time::timeout_at(self.deadline, endpoint.connection(self.bulk, reconnects)).await {
            Ok(connection) => connection,
            Err(_elapsed) => Err(format!("{}: no connection in time", endpoint.address())),
        }
    }

    /// The attempt got no answer.
    fn lost(&mut self, endpoint: &Arc<Endpoint>, lost: Lost) -> Failure {
        let address = endpoint.address();
        match lost {
            Lost::TooLarge { bytes } => {
                let (limit, value) = (REQUEST_BYTES_MAX as u64, bytes as u64);
                let kind = ErrorKind::TooLarge {
                    field: "request".to_owned(),
                    limit,
                    value,
                };
                let message = format!("the request is {value} bytes; the limit is {limit}");
                let error = Error::new(kind, Outcome::NotApplied, message);
                Failure {
                    error,
                    in_doubt: false,
                    next: Next::Stop,
                }
            }
            Lost::NotSent(reason) => {
                endpoint.connection_lost();
                self.leave(endpoint);
                not_sent(format!("{address}: {reason}"))
            }
            Lost::Broken(reason) => {
                endpoint.connection_lost();
                self.leave(endpoint);
                let message = format!("{address}: the connection broke: {reason}");
                let error = Error::new(ErrorKind::ConnectionLost, Outcome::Unknown, message);
                Failure {
                    error,
                    in_doubt: true,
                    next: Next::AfterDelay,
                }
            }
            Lost::TimedOut { sent } => {
                self.leave(endpoint);
                let message = format!("{address}: no answer in time; the call may take {:?}", self.timeout);
                let error = Error::new(ErrorKind::DeadlineExceeded, Outcome::Unknown, message);
                Failure {
                    error,
                    in_doubt: sent,
                    next: Next::AfterDelay,
                }
            }
        }
    }

    /// The attempt was answered with an error.
    fn refused(&mut self, endpoint: &Arc<Endpoint>, error: v1::Error) -> Failure {
        let error = Error::of_reply(error);
        let in_doubt = error.outcome() == Outcome::Unknown;
        let next = match error.kind() {
            ErrorKind::NotLeader { leader } => match self.core.routing.redirect(endpoint, leader.as_deref()) {
                true => {
                    self.avoid = None;
                    Next::AtOnce
                }
                false => {
                    self.avoid = Some(Arc::clone(endpoint));
                    Next::AfterDelay
                }
            },
            ErrorKind::ClientExpired if self.nature == Nature::Stamped => Next::Register,
            ErrorKind::Overloaded { .. } => Next::AfterDelay,
            kind if kind.is_retried() => {
                self.leave(endpoint);
                Next::AfterDelay
            }
            _ => Next::Stop,
        };
        Failure { error, in_doubt, next }
    }

    fn leave(&mut self, endpoint: &Arc<Endpoint>) {
        self.core.routing.distrust(endpoint);
        self.avoid = Some(Arc::clone(endpoint));
    }

    /// What the caller is told.
    fn verdict(&self, error: Error) -> Error {
        let outcome = outcome_of(self.nature, error.kind(), self.in_doubt);
        if outcome == Outcome::Unknown {
            self.core.stats.unknown_outcomes.count();
        }
        let request = self.named.map(Named::id);
        error
            .with_outcome(outcome)
            .with_attempts(self.attempts)
            .with_request(request)
    }
}

fn not_sent(reason: String) -> Failure {
    let error = Error::new(ErrorKind::ConnectionLost, Outcome::NotApplied, reason);
    Failure {
        error,
        in_doubt: false,
        next: Next::AfterDelay,
    }
}

/// The outcome of a call whose last error is `kind`, when some attempt was left without an answer (`in_doubt`) or none.
pub(crate) fn outcome_of(nature: Nature, kind: &ErrorKind, in_doubt: bool) -> Outcome {
    match nature {
        Nature::Read => Outcome::NotAMutation,
        _ if *kind == ErrorKind::AnswerForgotten => Outcome::Unknown,
        // The cluster's answer to this very sequence: it holds for the attempts that were lost, too.
        Nature::Stamped if kind.answers_every_attempt() => Outcome::NotApplied,
        _ if in_doubt => Outcome::Unknown,
        _ => Outcome::NotApplied,
    }
}

/// How long the member is asked to wait before it answers.
fn asked_to_wait(request: &Request) -> Duration {
    match request {
        Request::Query(query) => Duration::from_millis(query.wait_ms),
        _ => Duration::ZERO,
    }
}

fn set_stamp(request: &mut Request, stamp: v1::ClientStamp) {
    match request {
        Request::Put(put) => put.stamp = Some(stamp),
        Request::Delete(delete) => delete.stamp = Some(stamp),
        Request::Txn(txn) => txn.stamp = Some(stamp),
        Request::DomainCreate(create) => create.stamp = Some(stamp),
        Request::DomainChange(change) => change.stamp = Some(stamp),
        Request::DomainDrop(drop) => drop.stamp = Some(stamp),
        Request::Get(_)
        | Request::Range(_)
        | Request::Compact(_)
        | Request::RegisterClient(_)
        | Request::KeepAlive(_)
        | Request::Query(_)
        | Request::DomainList(_)
        | Request::DomainGet(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_follows_from_the_kind_of_call_the_error_and_the_doubt() {
        use Outcome::{NotAMutation, NotApplied, Unknown};
        let full = ErrorKind::DomainFull { limit: 1, value: 2 };
        let not_leader = ErrorKind::NotLeader { leader: None };
        let table = [
            // A read changes nothing, whatever happens to it.
            (Nature::Read, ErrorKind::ConnectionLost, true, NotAMutation),
            (Nature::Read, ErrorKind::DeadlineExceeded, false, NotAMutation),
            (Nature::Read, ErrorKind::AnswerForgotten, true, NotAMutation),
            // Nothing was ever sent, or each attempt was refused.
            (Nature::Stamped, ErrorKind::ConnectionLost, false, NotApplied),
            (Nature::Stamped, not_leader.clone(), false, NotApplied),
            (Nature::Stamped, ErrorKind::ClientExpired, false, NotApplied),
            // A later refusal says nothing about an earlier attempt that was lost.
            (Nature::Stamped, not_leader, true, Unknown),
            (Nature::Stamped, ErrorKind::ClientExpired, true, Unknown),
            (Nature::Stamped, ErrorKind::NoSpace, true, Unknown),
            (Nature::Stamped, ErrorKind::DeadlineExceeded, true, Unknown),
            // The answer to the sequence itself does.
            (Nature::Stamped, full.clone(), true, NotApplied),
            (Nature::Stamped, ErrorKind::AnswerForgotten, false, Unknown),
            // Without a stamp there is no such answer.
            (Nature::Idempotent, full, true, Unknown),
            (Nature::Idempotent, ErrorKind::Unavailable, false, NotApplied),
        ];
        for (nature, kind, in_doubt, expected) in table {
            assert_eq!(
                outcome_of(nature, &kind, in_doubt),
                expected,
                "{nature:?} {kind:?} in doubt: {in_doubt}"
            );
        }
    }
}
