//! Sees to it that some member serves a watch, until nothing more can be done for it.
//!
//! A watch is patient: what may pass is tried again, elsewhere first, for as long as somebody holds the watch.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::subscription::{Departure, Subscription};
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome};
use crate::retry::Backoff;

/// Delays between two attempts.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A watch that was served for as long starts over with its delays.
const SERVED_WELL: Duration = Duration::from_secs(5);

/// Runs until the watch has an end that its consumer is told, or is dropped.
pub(super) async fn follow(core: Arc<Core>, subscription: Arc<Subscription>) {
    let follower = Follower {
        core,
        subscription: Arc::clone(&subscription),
        backoff: Backoff::between(BACKOFF_MIN, BACKOFF_MAX),
        refused_by: Vec::new(),
        avoid: None,
        attempts: 0,
    };
    let error = follower.run().await;
    subscription.end(error);
}

struct Follower {
    core: Arc<Core>,
    subscription: Arc<Subscription>,
    backoff: Backoff,
    /// Those that cannot take it, though others may.
    refused_by: Vec<Arc<Endpoint>>,
    /// It failed the last attempt.
    avoid: Option<Arc<Endpoint>>,
    attempts: u32,
}

impl Follower {
    async fn run(mut self) -> Error {
        loop {
            let (received, began) = (self.subscription.received(), Instant::now());
            let departure = self.attempt().await;
            if self.core.is_closed() {
                return Error::new(ErrorKind::Closed, Outcome::NotAMutation, "the client was closed");
            }
            let went_well = self.subscription.received() != received || began.elapsed() >= SERVED_WELL;
            if went_well {
                self.backoff.reset();
            }
            match departure {
                Departure::Lagging if self.subscription.fails_when_lagging() => return self.lagged(),
                Departure::Lagging => {
                    self.subscription.drained().await;
                    if went_well {
                        continue;
                    }
                }
                Departure::Lost(error) => self.subscription.set_trouble(&error),
                Departure::Refused(error) => {
                    if let Some(error) = self.last_word(error) {
                        return error;
                    }
                }
            }
            tokio::time::sleep(self.backoff.next_delay()).await;
        }
    }

    /// One stay at one member.
    async fn attempt(&mut self) -> Departure {
        let core = Arc::clone(&self.core);
        let serves = |endpoint: &Endpoint| core.watches.serves(endpoint);
        let now = std::time::Instant::now();
        let Some(endpoint) = core
            .routing
            .pick_any(serves, &self.refused_by, self.avoid.as_ref(), now)
        else {
            let message = "every endpoint failed a moment ago, none is tried right now";
            return Departure::Lost(Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message));
        };
        if self.attempts > 0 {
            core.stats.watch_retries.count();
        }
        self.attempts = self.attempts.saturating_add(1);
        let seen = core.seen_revision();
        let attached = core.watches.attach(&endpoint, seen, &self.subscription).await;
        let departure = match attached {
            Ok(_attachment) => self.stay(&endpoint).await,
            Err(error) => Departure::Refused(error),
        };
        self.avoid = match &departure {
            Departure::Lagging => None,
            Departure::Lost(_) | Departure::Refused(_) => {
                core.routing.turn_from(&endpoint);
                Some(endpoint)
            }
        };
        departure
    }

    /// Until the watch has left the member.
    async fn stay(&mut self, endpoint: &Endpoint) -> Departure {
        // A start that is given may be a revision that is still to come; one that is asked for is answered soon.
        if self.subscription.received().is_none() {
            let patience = self
                .core
                .attempt_timeout
                .saturating_mul(1 << (self.attempts - 1).min(4));
            if tokio::time::timeout(patience, self.subscription.answered())
                .await
                .is_err()
            {
                let message = format!("{}: the watch was not there within {patience:?}", endpoint.address());
                return Departure::Lost(Error::new(ErrorKind::DeadlineExceeded, Outcome::NotAMutation, message));
            }
        }
        self.subscription.answered().await;
        if self.subscription.is_served() {
            self.refused_by.clear();
        }
        self.subscription.departure().await
    }

    /// The error, if no other attempt can go better.
    fn last_word(&mut self, error: Error) -> Option<Error> {
        let kind = error.kind();
        // What one member cannot do another one may.
        if matches!(kind, ErrorKind::LimitReached { .. } | ErrorKind::Unimplemented) {
            let refused = |endpoint: &Arc<Endpoint>| self.refused_by.iter().any(|by| Arc::ptr_eq(by, endpoint));
            let by = self.avoid.clone().filter(|endpoint| !refused(endpoint));
            self.refused_by.extend(by);
            let refused = |endpoint: &Arc<Endpoint>| self.refused_by.iter().any(|by| Arc::ptr_eq(by, endpoint));
            if self.core.routing.endpoints().iter().all(refused) {
                return Some(error);
            }
        } else if !kind.is_retried() {
            return Some(error);
        }
        self.subscription.set_trouble(&error);
        None
    }

    fn lagged(&self) -> Error {
        let resume = self.subscription.received().map_or(0, |received| received + 1);
        let message = format!(
            "what is watched came faster than it was taken: watch again from revision {resume}, where it goes on"
        );
        Error::new(ErrorKind::Lagged { resume }, Outcome::NotAMutation, message)
    }
}
