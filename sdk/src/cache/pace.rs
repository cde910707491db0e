//! When a cache asks how fresh it is: as often as the look-ups need it, and no more. Pure but for what look-ups leave behind.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

const MS: u64 = 1_000_000;
/// Questions are at least this far apart, in nanoseconds.
const GAP_MIN: u64 = 5 * MS;
/// How long a question is waited for before another one is asked.
const PATIENCE: u64 = 500 * MS;
/// After one that could not be answered.
const PAUSE: u64 = 50 * MS;
/// Questions that are not answered: the oldest is given up.
const OUTSTANDING_MAX: usize = 4;
/// For how long a look-up counts.
const REMEMBERED: u64 = 1_000 * MS;
/// Each proof is asked for this often within its life.
const ASKS_PER_LIFE: u64 = 3;

/// The smallest staleness that look-ups asked for lately, in nanoseconds; `u64::MAX`: none did.
#[derive(Debug)]
pub(super) struct Asks {
    current: AtomicU64,
    before: AtomicU64,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            current: AtomicU64::new(u64::MAX),
            before: AtomicU64::new(u64::MAX),
        }
    }
}

impl Asks {
    #[inline]
    pub(super) fn ask(&self, staleness_max: u64) {
        if staleness_max < self.current.load(Ordering::Relaxed) {
            self.current.fetch_min(staleness_max, Ordering::Relaxed);
        }
    }

    fn smallest(&self) -> u64 {
        self.current
            .load(Ordering::Relaxed)
            .min(self.before.load(Ordering::Relaxed))
    }

    fn turn(&self) {
        let current = self.current.swap(u64::MAX, Ordering::Relaxed);
        self.before.store(current, Ordering::Relaxed);
    }
}

/// What was asked, and what was answered. Moments and durations are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// By id, with the moment at which each was asked.
    outstanding: VecDeque<(u64, u64)>,
    last: Option<u64>,
    not_before: u64,
    turned: u64,
}

impl Pace {
    /// When the next question is due. `nudged`: a look-up failed that an answer would have let through.
    pub(super) fn due(&mut self, now: u64, asks: &Asks, nudged: bool, lease: u64, idle: u64) -> u64 {
        if now.saturating_sub(self.turned) >= REMEMBERED {
            asks.turn();
            self.turned = now;
        }
        let Some(last) = self.last else {
            return now.max(self.not_before);
        };
        let mut life = asks.smallest();
        if life != u64::MAX && lease != 0 {
            life = life.min(lease);
        }
        let gap = if nudged {
            GAP_MIN
        } else {
            (life / ASKS_PER_LIFE).clamp(GAP_MIN, idle.max(GAP_MIN))
        };
        let due = match self.outstanding.back() {
            Some((_, asked)) => asked + PATIENCE,
            None => last + gap,
        };
        due.max(self.not_before)
    }

    pub(super) fn asked(&mut self, probe_id: u64, now: u64) {
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((probe_id, now));
        self.last = Some(now);
    }

    /// The moment at which it was asked; none if it was not, or was answered before.
    pub(super) fn answered(&mut self, probe_id: u64) -> Option<u64> {
        let index = self.outstanding.iter().position(|(asked, _)| *asked == probe_id)?;
        let (_, asked_at) = self.outstanding.remove(index)?;
        Some(asked_at)
    }

    /// It could not be answered. False: it was not asked.
    pub(super) fn failed(&mut self, probe_id: u64, now: u64) -> bool {
        let known = self.answered(probe_id).is_some();
        if known {
            self.not_before = now + PAUSE;
        }
        known
    }

    /// The stream is gone, and the answers with it.
    pub(super) fn clear(&mut self) {
        *self = Self {
            turned: self.turned,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: u64 = 5_000 * MS;

    fn asked(at: u64) -> Pace {
        let mut pace = Pace::default();
        pace.asked(1, at);
        assert_eq!(pace.answered(1), Some(at));
        pace
    }

    #[test]
    fn a_proof_is_asked_for_three_times_within_the_smallest_bound_and_rarely_when_nobody_looks() {
        let (mut pace, asks) = (asked(MS), Asks::default());
        assert_eq!(pace.due(MS, &asks, false, 0, IDLE), MS + IDLE);
        asks.ask(300 * MS);
        asks.ask(90 * MS);
        assert_eq!(pace.due(MS, &asks, false, 0, IDLE), 31 * MS);
        asks.ask(MS);
        assert_eq!(pace.due(MS, &asks, false, 0, IDLE), MS + GAP_MIN);
        // Two seconds later, nobody has looked for at least one.
        assert_eq!(pace.due(1_500 * MS, &asks, false, 0, IDLE), MS + GAP_MIN);
        assert_eq!(pace.due(2_600 * MS, &asks, false, 0, IDLE), MS + IDLE);
    }

    #[test]
    fn a_lease_is_renewed_three_times_within_its_life_while_somebody_looks() {
        let (mut pace, asks) = (asked(MS), Asks::default());
        assert_eq!(pace.due(MS, &asks, false, 900 * MS, IDLE), MS + IDLE);
        asks.ask(u64::MAX - 1);
        assert_eq!(pace.due(MS, &asks, false, 900 * MS, IDLE), 301 * MS);
    }

    #[test]
    fn one_question_is_outstanding_unless_it_is_not_answered() {
        let (mut pace, asks) = (asked(MS), Asks::default());
        assert_eq!(pace.due(MS, &asks, true, 0, IDLE), MS + GAP_MIN);
        pace.asked(2, 6 * MS);
        assert_eq!(pace.due(7 * MS, &asks, true, 0, IDLE), 6 * MS + PATIENCE);
        assert_eq!(pace.answered(2), Some(6 * MS));
        assert_eq!(pace.answered(2), None);
        pace.asked(3, 20 * MS);
        assert!(pace.failed(3, 30 * MS));
        assert!(!pace.failed(3, 30 * MS));
        assert_eq!(pace.due(30 * MS, &asks, true, 0, IDLE), 30 * MS + PAUSE);
    }
}
