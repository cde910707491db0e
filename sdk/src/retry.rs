//! How long to wait before the next attempt, and how many attempts a client may spend.
//!
//! Pure but for the random numbers: the caller brings the time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;

/// First delay between two attempts of a call.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// No delay is longer: a new leader is there within some 200 ms, and callers should notice soon after.
const BACKOFF_MAX: Duration = Duration::from_millis(250);

/// Exponential delay with jitter; one per call.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    steps: u32,
}

impl Backoff {
    /// For the attempts of one call.
    pub(crate) fn of_call() -> Self {
        Self::between(BACKOFF_MIN, BACKOFF_MAX)
    }

    pub(crate) fn between(min: Duration, max: Duration) -> Self {
        Self { min, max, steps: 0 }
    }

    /// The next delay: between half and the whole of a bound that doubles each time.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let bound = self.min.saturating_mul(1 << self.steps.min(20)).min(self.max);
        self.steps = self.steps.saturating_add(1);
        bound.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    pub(crate) fn reset(&mut self) {
        self.steps = 0;
    }
}

/// A token bucket shared by all calls of a client: when everything fails, retries do not multiply the load.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    burst: f64,
    per_second: f64,
    level: Mutex<(f64, Instant)>,
}

impl RetryBudget {
    pub(crate) fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self {
            burst,
            per_second: f64::from(per_second),
            level: Mutex::new((burst, now)),
        }
    }

    /// Takes one token; false when there is none.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock();
        let elapsed = now.saturating_duration_since(level.1);
        level.0 = (level.0 + elapsed.as_secs_f64() * self.per_second).min(self.burst);
        level.1 = level.1.max(now);
        let granted = level.0 >= 1.0;
        if granted {
            level.0 -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_within_their_bounds() {
        let mut backoff = Backoff::of_call();
        for step in 0..40_u32 {
            let bound = BACKOFF_MIN.saturating_mul(1 << step.min(20)).min(BACKOFF_MAX);
            let delay = backoff.next_delay();
            assert!(
                delay >= bound / 2 && delay <= bound,
                "step {step}: {delay:?} of {bound:?}"
            );
        }
    }

    #[test]
    fn an_empty_budget_refuses_until_time_has_refilled_it() {
        let start = Instant::now();
        let budget = RetryBudget::new(2, 10, start);
        assert!(budget.take(start));
        assert!(budget.take(start));
        assert!(!budget.take(start));
        assert!(!budget.take(start + Duration::from_millis(50)));
        assert!(budget.take(start + Duration::from_millis(101)));
    }

    #[test]
    fn a_budget_never_exceeds_its_burst() {
        let start = Instant::now();
        let budget = RetryBudget::new(2, 10, start);
        let later = start + Duration::from_secs(60);
        assert!(budget.take(later) && budget.take(later));
        assert!(!budget.take(later));
    }
}
