//! The life of one call of the eventual tier: which member, which attempts, and the verdict when they end.
//!
//! Any member does. A client stays with one while it answers, since what it wrote there is there.
//!
//! Invariants: all attempts of a write carry one stamp; once an attempt may have been applied, the stamp names its process,
//! so that no other one repeats an increment; an increment in doubt goes back to the member where it was tried, while
//! that can be reached.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::eventual_reply::Response;
use tokio::time::Instant;

use super::seen::Carried;
use crate::builder::check_timeout;
use crate::call::Nature;
use crate::connection::Connection;
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::endpoint::{Endpoint, NotOpened};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::followed::Attempt;
use crate::instruments::{self, Method};
use crate::pipeline::REQUEST_BYTES_MAX;
use crate::retry::Backoff;
use crate::slots::Lost;
use crate::wire;
use crate::wire::EventualRequest as Request;

/// With less time than this, no further attempt is made.
const LAST_ATTEMPT_MIN: Duration = Duration::from_millis(2);
/// A member waits no longer, whatever it is asked.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// One call.
pub(super) struct Call<'a> {
    core: &'a Core,
    request: Request,
    nature: Nature,
    timeout: Duration,
    deadline: Instant,
    /// Repeating it elsewhere could count twice.
    adds: bool,
    attempts: u32,
    in_doubt: bool,
    /// Where it may have been done first.
    tried_at: Option<Arc<Endpoint>>,
    avoid: Option<Arc<Endpoint>>,
    backoff: Backoff,
    /// What a member said last.
    said: Option<Error>,
}

/// The answer of a call, and whether an attempt before it may have been applied.
pub(super) struct Answered {
    pub(super) response: Response,
    pub(super) in_doubt: bool,
    pub(super) attempts: u32,
}

/// An attempt that failed.
struct Failure {
    error: Error,
    /// The member itself said so.
    said: bool,
    retry: bool,
}

/// Makes a call within `timeout`, the client's if none is given.
pub(super) async fn call(core: &Core, mut request: Request, timeout: Option<Duration>) -> Result<Answered> {
    let nature = match request {
        Request::Write(_) => Nature::Idempotent,
        Request::Read(_) | Request::Scan(_) => Nature::Read,
    };
    let _running = core.begin(nature)?;
    if let Some(timeout) = timeout {
        check_timeout("timeout", timeout)?;
    }
    let timeout = timeout.unwrap_or(core.call_timeout);
    let mut adds = false;
    if let Request::Write(write) = &mut request {
        write.head.stamp = Some(core.eventual.stamp());
        adds = write.adds;
    }
    let call = Call {
        core,
        request,
        nature,
        timeout,
        deadline: Instant::now() + timeout,
        adds,
        attempts: 0,
        in_doubt: false,
        tried_at: None,
        avoid: None,
        backoff: Backoff::of_call(),
        said: None,
    };
    let (method, began) = (Method::of_eventual(&call.request), Instant::now());
    let answered = call.run().await;
    instruments::called(method, began, &answered);
    answered
}

impl Call<'_> {
    /// Tries until there is an answer, or nothing more may be tried.
    async fn run(mut self) -> Result<Answered> {
        loop {
            let failure = match self.attempt().await {
                Ok(response) => {
                    return Ok(Answered {
                        response,
                        in_doubt: self.in_doubt,
                        attempts: self.attempts,
                    });
                }
                Err(failure) => failure,
            };
            let Failure { error, said, retry } = failure;
            if !retry || !self.may_try_again().await {
                // That no member could be reached at last says less than why one that was reached refused.
                let error = if said { error } else { self.said.take().unwrap_or(error) };
                return Err(self.verdict(error));
            }
            if said {
                self.said = Some(error);
            }
        }
    }

    /// Waits before the next attempt; false when the call is over.
    async fn may_try_again(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let over = self.core.is_closed() || left < LAST_ATTEMPT_MIN;
        if over || !self.core.budget.take(std::time::Instant::now()) {
            return false;
        }
        self.core.stats.retries.count();
        instruments::retried();
        tokio::time::sleep(self.backoff.next_delay().min(left / 2)).await;
        true
    }

    async fn attempt(&mut self) -> std::result::Result<Response, Failure> {
        let Some(endpoint) = self.pick() else {
            let message = "every endpoint failed a moment ago, none is tried right now";
            return Err(not_sent(message.to_owned()));
        };
        let reconnects = &self.core.stats.reconnects.0;
        let opening = endpoint.eventual_connection(reconnects);
        let connection = match tokio::time::timeout_at(self.deadline, opening).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(NotOpened::Unreachable(reason))) => {
                self.leave(&endpoint);
                return Err(not_sent(reason));
            }
            Ok(Err(NotOpened::Refused(error))) => {
                self.leave(&endpoint);
                let retry = error.kind().is_retried();
                return Err(Failure {
                    error,
                    said: true,
                    retry,
                });
            }
            Err(_elapsed) => {
                self.leave(&endpoint);
                return Err(not_sent(format!("{}: no connection in time", endpoint.address())));
            }
        };
        self.attempts += 1;
        let (seen, process) = (&self.core.eventual.seen, connection.process());
        let carried = match self.nature {
            Nature::Read => seen.carried_by_read(process),
            _ => seen.carried_by_write(process),
        };
        let attempt_deadline = self.address_to(&carried);
        match connection
            .exchange(
                self.request.clone(),
                attempt_deadline,
                &mut None,
                &mut Attempt::default(),
            )
            .await
        {
            Ok(Response::Error(error)) => Err(self.refused(&endpoint, &connection, &carried, error)),
            Ok(response) => self.answered(&endpoint, &connection, &carried, response),
            Err(lost) => Err(self.lost(&endpoint, &connection, lost)),
        }
    }

    /// An increment in doubt goes where it was tried, everything else where the client is.
    fn pick(&self) -> Option<Arc<Endpoint>> {
        let routing = &self.core.routing;
        let tried_at = self.tried_at.as_ref().filter(|_| self.adds);
        let favourite = match tried_at {
            Some(endpoint) => Some(Arc::clone(endpoint)),
            None => self.core.eventual.favourite(routing),
        };
        let favoured = |endpoint: &Endpoint| {
            favourite
                .as_ref()
                .is_some_and(|favourite| std::ptr::eq(&raw const **favourite, endpoint))
        };
        let avoid = if tried_at.is_some() { None } else { self.avoid.as_ref() };
        routing.pick_any(favoured, &[], avoid, std::time::Instant::now())
    }

    /// Fills in what this attempt carries and how long the member may wait; returns until when the answer is awaited.
    fn address_to(&mut self, carried: &Carried) -> Instant {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        // Each attempt may take twice as long as the one before: slow answers still come through.
        let patience = self
            .core
            .attempt_timeout
            .saturating_mul(1 << (self.attempts - 1).min(10));
        // The member's refusal, which says more than silence, should still come in time.
        let in_time = (left - left / 8).min(WAIT_MAX);
        let wait = match &mut self.request {
            Request::Write(write) => {
                write.head.token = carried.token.clone();
                let wait = if write.head.acks > 1 { in_time } else { Duration::ZERO };
                write.head.timeout_ms = whole_ms(wait);
                wait
            }
            Request::Read(read) => wait_to_read(read.options.get_or_insert_default(), carried, in_time.min(patience)),
            Request::Scan(scan) => wait_to_read(scan.options.get_or_insert_default(), carried, in_time.min(patience)),
        };
        self.deadline.min(now + patience + wait)
    }

    fn answered(
        &mut self,
        endpoint: &Arc<Endpoint>,
        connection: &Connection<wire::Eventual>,
        carried: &Carried,
        response: Response,
    ) -> std::result::Result<Response, Failure> {
        self.core.eventual.stay(endpoint);
        let seen = &self.core.eventual.seen;
        let process = connection.process();
        let learnt = match &response {
            Response::Write(write) => seen.written(process, carried, &write.token),
            Response::Read(read) => seen.read(process, carried, &read.token),
            Response::Scan(scan) => seen.read(process, carried, &scan.token),
            Response::Error(_) => Ok(()),
        };
        match learnt {
            Ok(()) => Ok(response),
            Err(error) => {
                self.in_doubt = true;
                let (said, retry) = (true, false);
                Err(Failure { error, said, retry })
            }
        }
    }

    /// The attempt was answered with an error.
    fn refused(
        &mut self,
        endpoint: &Arc<Endpoint>,
        connection: &Connection<wire::Eventual>,
        carried: &Carried,
        mut error: v1::Error,
    ) -> Failure {
        let left: Bytes = std::mem::take(&mut error.token);
        let error = Error::of_reply(error);
        if error.outcome() == Outcome::Unknown {
            self.doubt(endpoint, connection);
        }
        let retry = match error.kind() {
            ErrorKind::ContextLost => {
                if let Err(damaged) = self.core.eventual.seen.lost(carried, &left) {
                    return Failure {
                        error: damaged,
                        said: true,
                        retry: false,
                    };
                }
                false
            }
            ErrorKind::Overloaded { .. } => true,
            // Another member may be fresher.
            kind if kind.is_retried() || matches!(kind, ErrorKind::Stale { .. }) => {
                self.leave(endpoint);
                true
            }
            _ => false,
        };
        Failure {
            error,
            said: true,
            retry,
        }
    }

    /// The attempt got no answer.
    fn lost(&mut self, endpoint: &Arc<Endpoint>, connection: &Connection<wire::Eventual>, lost: Lost) -> Failure {
        let address = endpoint.address();
        if let Lost::TooLarge { bytes } = lost {
            let (limit, value) = (REQUEST_BYTES_MAX as u64, bytes as u64);
            let field = "request".to_owned();
            let message = format!("the request is {value} bytes; the limit is {limit}");
            let error = Error::new(
                ErrorKind::TooLarge { field, limit, value },
                Outcome::NotApplied,
                message,
            );
            return Failure {
                error,
                said: true,
                retry: false,
            };
        }
        self.leave(endpoint);
        let (error, sent) = match lost {
            Lost::NotSent(reason) => {
                endpoint.connection_lost();
                return not_sent(format!("{address}: {reason}"));
            }
            Lost::Broken(reason) => {
                endpoint.connection_lost();
                let message = format!("{address}: the connection broke: {reason}");
                (Error::new(ErrorKind::ConnectionLost, Outcome::Unknown, message), true)
            }
            Lost::TimedOut { sent } => {
                let message = format!("{address}: no answer in time; the call may take {:?}", self.timeout);
                (Error::new(ErrorKind::DeadlineExceeded, Outcome::Unknown, message), sent)
            }
            // Answered above.
            Lost::TooLarge { .. } => return not_sent(address.to_owned()),
        };
        if sent {
            self.doubt(endpoint, connection);
        }
        // Silence where something was sent says more than an earlier refusal.
        Failure {
            error,
            said: sent,
            retry: true,
        }
    }

    /// This attempt may have been applied.
    fn doubt(&mut self, endpoint: &Arc<Endpoint>, connection: &Connection<wire::Eventual>) {
        self.in_doubt = true;
        if self.tried_at.is_some() {
            return;
        }
        self.tried_at = Some(Arc::clone(endpoint));
        if let Request::Write(write) = &mut self.request
            && let Some(stamp) = &mut write.head.stamp
        {
            stamp.first_process = connection.process();
        }
    }

    fn leave(&mut self, endpoint: &Arc<Endpoint>) {
        self.core.eventual.leave(endpoint);
        self.core.routing.turn_from(endpoint);
        self.avoid = Some(Arc::clone(endpoint));
    }

    /// What the caller is told.
    fn verdict(&self, error: Error) -> Error {
        let outcome = match self.nature {
            Nature::Read => Outcome::NotAMutation,
            _ if self.in_doubt => Outcome::Unknown,
            _ => Outcome::NotApplied,
        };
        if outcome == Outcome::Unknown {
            self.core.stats.unknown_outcomes.count();
        }
        error.with_outcome(outcome).with_attempts(self.attempts)
    }
}

/// Says how long a member may wait for what was carried, or to become fresh enough.
fn wait_to_read(options: &mut v1::EventualReadOptions, carried: &Carried, wait_max: Duration) -> Duration {
    options.token = carried.token.clone();
    let waits = !options.token.is_empty() || options.max_age_ms > 0;
    let wait = if waits { wait_max } else { Duration::ZERO };
    options.timeout_ms = whole_ms(wait);
    wait
}

fn not_sent(reason: String) -> Failure {
    let error = Error::new(ErrorKind::ConnectionLost, Outcome::NotApplied, reason);
    Failure {
        error,
        said: false,
        retry: true,
    }
}

/// The answer fits another call than the one that was made.
pub(super) fn unexpected(call: &str, response: &Response) -> Error {
    let got = match response {
        Response::Error(_) => "an error",
        Response::Write(_) => "writes",
        Response::Read(_) => "a read",
        Response::Scan(_) => "a scan",
    };
    let message = format!("{call} was answered with a reply to {got}");
    Error::new(ErrorKind::Protocol, Outcome::Unknown, message)
}
