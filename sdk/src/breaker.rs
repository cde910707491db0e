//! The circuit breaker of one endpoint: after repeated failures it is left alone, then probed by one call at a time.
//!
//! Pure: the caller brings the time.

use std::time::{Duration, Instant};

use crate::retry::Backoff;

/// Connection failures in a row that open the circuit.
const FAILURES_MAX: u32 = 2;
/// First and longest pause of an open circuit.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A probe that has not reported by then was given up by its caller; the next one may go.
const PROBE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { probe_until: Instant },
}

/// Decides whether an endpoint may be tried.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    pause: Backoff,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Closed { failures: 0 },
            pause: Backoff::between(PAUSE_MIN, PAUSE_MAX),
        }
    }

    /// Whether an attempt would be let through; changes nothing.
    pub(crate) fn would_allow(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } => now >= until,
            State::HalfOpen { probe_until } => now >= probe_until,
        }
    }

    /// Lets an attempt through or not. The first one after a pause is the probe; others wait for what it reports.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let allowed = self.would_allow(now);
        if allowed && !matches!(self.state, State::Closed { .. }) {
            self.state = State::HalfOpen {
                probe_until: now + PROBE_MAX,
            };
        }
        allowed
    }

    /// Attempts are held back, or one of them is tried out.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    pub(crate) fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
        self.pause.reset();
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < FAILURES_MAX => *failures += 1,
            State::Closed { .. } | State::HalfOpen { .. } => {
                self.state = State::Open {
                    until: now + self.pause.next_delay(),
                };
            }
            State::Open { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.allow(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn repeated_failures_open_the_circuit() {
        let now = Instant::now();
        assert!(!opened(now).allow(now));
    }

    #[test]
    fn after_the_pause_one_probe_goes_and_the_others_wait() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + PAUSE_MIN;
        assert!(breaker.allow(later));
        assert!(!breaker.allow(later));
        breaker.succeeded();
        assert!(breaker.allow(later));
    }

    #[test]
    fn a_failed_probe_opens_the_circuit_for_longer() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + PAUSE_MIN;
        assert!(breaker.allow(later));
        breaker.failed(later);
        // The second bound is twice the first, and jitter takes at most half of it away.
        assert!(!breaker.allow(later + PAUSE_MIN - Duration::from_millis(1)));
        assert!(breaker.allow(later + 2 * PAUSE_MIN));
    }

    #[test]
    fn a_probe_that_never_reports_does_not_close_the_endpoint_for_ever() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.allow(now + PAUSE_MIN));
        assert!(breaker.allow(now + PAUSE_MIN + PROBE_MAX));
    }
}
