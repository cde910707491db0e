//! Which calls took long, and how many of them a line is written of.

use std::time::Duration;

use parking_lot::Mutex;

use crate::metrics::Count;

/// Lines a second. When everything is slow, a few say it as well as all would.
const LINES_PER_SECOND_MAX: u32 = 10;

#[derive(Debug, Default)]
struct Window {
    second: u64,
    lines: u32,
    unwritten: u64,
}

/// Calls that took longer than `log.slow_call_ms`.
#[derive(Debug)]
pub(super) struct SlowCalls {
    /// None: no call is slow.
    threshold: Option<Duration>,
    window: Mutex<Window>,
    pub(super) count: Count,
}

impl SlowCalls {
    pub(super) fn new(slow_call_ms: u64) -> Self {
        Self {
            threshold: (slow_call_ms != 0).then(|| Duration::from_millis(slow_call_ms)),
            window: Mutex::default(),
            count: Count::default(),
        }
    }

    /// Whether a call that may wait for `asked` was slow.
    pub(super) fn is_slow(&self, took: Duration, asked: Duration) -> bool {
        self.threshold
            .is_some_and(|threshold| took >= threshold.saturating_add(asked))
    }

    /// Counts a slow call that ended now. If a line may be written of it, how many were not written before.
    pub(super) fn admit(&self, now: Duration) -> Option<u64> {
        self.count.increment();
        let mut window = self.window.lock();
        if window.second != now.as_secs() {
            window.second = now.as_secs();
            window.lines = 0;
        }
        if window.lines == LINES_PER_SECOND_MAX {
            window.unwritten += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_asked_to_wait_does_not_make_it_slow() {
        let slow = SlowCalls::new(500);
        let ms = Duration::from_millis;
        assert!(!slow.is_slow(ms(499), ms(0)));
        assert!(slow.is_slow(ms(500), ms(0)));
        assert!(!slow.is_slow(ms(30_100), ms(30_000)));
        assert!(slow.is_slow(ms(30_500), ms(30_000)));
        assert!(!SlowCalls::new(0).is_slow(Duration::MAX, ms(0)));
    }

    #[test]
    fn lines_beyond_the_limit_of_a_second_are_counted_in_the_first_of_the_next() {
        let slow = SlowCalls::new(1);
        let of_second = |second| {
            let at = Duration::from_secs(second);
            (0..25).filter_map(|_| slow.admit(at)).collect::<Vec<_>>()
        };
        assert_eq!(of_second(0), [0; 10]);
        assert_eq!(of_second(7), [15, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(slow.count.get(), 50);
    }
}
