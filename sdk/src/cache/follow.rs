//! Sees to it that some member keeps a cache true, for as long as the client lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use quorate_proto::v1::watch_request::Request;
use tokio::time::Instant;

use super::lane::{Lane, Step, lost};
use super::settings::Coherence;
use super::shared::Shared;
use super::watcher::{Watcher, nowhere};
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome};
use crate::retry::Backoff;
use crate::routing::Route;
use crate::watch::{Attachment, Departure};

/// Delays between two attempts.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A stream that lived for as long starts over with its delays.
const SERVED_WELL: Duration = Duration::from_secs(5);
/// Hints that are followed without a delay.
const REDIRECTS_AT_ONCE_MAX: u32 = 3;

/// Runs until the client is closed or gone. `idle`: how often a proof is asked for while nobody looks.
pub(super) async fn follow(core: Weak<Core>, cache: Arc<Shared>, coherence: Coherence, idle: Duration) {
    let follower = Follower {
        core,
        cache,
        coherence,
        idle,
        backoff: Backoff::between(BACKOFF_MIN, BACKOFF_MAX),
        avoid: None,
        attempts: 0,
        redirects: 0,
    };
    follower.run().await;
}

struct Follower {
    core: Weak<Core>,
    cache: Arc<Shared>,
    coherence: Coherence,
    idle: Duration,
    backoff: Backoff,
    /// It failed the last attempt.
    avoid: Option<Arc<Endpoint>>,
    attempts: u32,
    redirects: u32,
}

impl Follower {
    async fn run(mut self) {
        let cache = Arc::clone(&self.cache);
        let Some(lane) = cache.lane(self.coherence) else {
            return;
        };
        loop {
            let began = Instant::now();
            let Some(departure) = self.attempt(lane).await else {
                return;
            };
            if cache.is_closed() {
                return;
            }
            if began.elapsed() >= SERVED_WELL {
                self.backoff.reset();
            }
            let at_once = match departure {
                Departure::Lagging => true,
                Departure::Lost(error) => {
                    lane.set_trouble(error);
                    false
                }
                Departure::Refused(error) => {
                    let at_once = self.is_redirected(&error);
                    lane.set_trouble(error);
                    at_once
                }
            };
            if !at_once || began.elapsed() < BACKOFF_MIN {
                tokio::time::sleep(self.backoff.next_delay()).await;
            }
        }
    }

    /// One stay at one member; none when the client is gone.
    async fn attempt(&mut self, lane: &Lane) -> Option<Departure> {
        let core = self.core.upgrade().filter(|core| !core.is_closed())?;
        let Some(endpoint) = self.pick(&core) else {
            return Some(nowhere());
        };
        if self.attempts > 0 {
            core.stats.watch_retries.count();
        }
        self.attempts = self.attempts.saturating_add(1);
        let watcher = Arc::new(Watcher::new(&self.cache, self.coherence)?);
        let is_coherent = self.coherence == Coherence::Strong;
        let seen = core.seen_point();
        let attached = core
            .watches
            .attach_cache(&endpoint, is_coherent, watcher, |watch_id| lane.asked(watch_id, seen));
        let departure = match attached.await {
            Ok(attachment) => {
                let patience = core.attempt_timeout.saturating_mul(1 << (self.attempts - 1).min(4));
                // While it is served, the client may go.
                drop(core);
                self.stay(lane, &endpoint, &attachment, patience).await
            }
            Err(error) => Departure::Refused(error),
        };
        self.avoid = None;
        if !matches!(departure, Departure::Lagging) {
            if let Some(core) = self.core.upgrade() {
                core.routing.turn_from(&endpoint);
            }
            self.avoid = Some(endpoint);
        }
        Some(departure)
    }

    fn pick(&self, core: &Core) -> Option<Arc<Endpoint>> {
        let now = std::time::Instant::now();
        match self.coherence {
            Coherence::Strong => core.routing.pick(Route::Leader, self.avoid.as_ref(), now),
            Coherence::Eventual | Coherence::Relaxed => {
                let serves = |endpoint: &Endpoint| core.watches.serves(endpoint);
                core.routing.pick_any(serves, &[], self.avoid.as_ref(), now)
            }
        }
    }

    /// Until the watch has left the member.
    async fn stay(
        &mut self,
        lane: &Lane,
        endpoint: &Endpoint,
        attachment: &Attachment,
        patience: Duration,
    ) -> Departure {
        let asked = Instant::now();
        loop {
            let now = self.cache.now();
            match lane.next_step(now, nanos(self.idle)) {
                Step::Left(departure) => return departure,
                Step::Ask(request) => attachment.send(Request::CacheKeys(request)),
                Step::Probe => {
                    let is_sent = attachment.probe(|probe_id| lane.probed(probe_id, now));
                    if !is_sent {
                        // The stream has failed, and says so in a moment.
                        lane.work.notified().await;
                    }
                }
                Step::Wait { until: Some(until) } => {
                    self.redirects = 0;
                    let until = Instant::from_std(self.cache.instant(until));
                    let _ = tokio::time::timeout_at(until, lane.work.notified()).await;
                    self.cache.tidy(lane);
                }
                Step::Wait { until: None } => {
                    let waited = tokio::time::timeout_at(asked + patience, lane.work.notified()).await;
                    if waited.is_err() && !lane.is_served() && lane.is_waiting() {
                        let message = format!("{}: no watch within {patience:?}", endpoint.address());
                        return self.give_up(lane, attachment, message);
                    }
                }
            }
        }
    }

    fn give_up(&self, lane: &Lane, attachment: &Attachment, message: String) -> Departure {
        let error = Error::new(ErrorKind::DeadlineExceeded, Outcome::NotAMutation, message);
        lane.left(attachment.watch_id(), Departure::Lost(error));
        match lane.next_step(0, 0) {
            Step::Left(departure) => departure,
            // It came at the last moment, and goes with the attachment.
            _ => Departure::Lost(lost("the watch was given up")),
        }
    }

    /// Another member leads, and it is known which.
    fn is_redirected(&mut self, error: &Error) -> bool {
        let ErrorKind::NotLeader { leader } = error.kind() else {
            return false;
        };
        let (Some(core), Some(refused_by)) = (self.core.upgrade(), self.avoid.clone()) else {
            return false;
        };
        let redirected = core.routing.redirect(&refused_by, leader.as_deref());
        if redirected {
            self.avoid = None;
        }
        self.redirects += 1;
        redirected && self.redirects <= REDIRECTS_AT_ONCE_MAX
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
