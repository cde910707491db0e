//! Log time as a leader hands it out.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::environment::Clock;
use crate::state_machine::StateStore;
use crate::types::LogTimeMs;

/// Adds this member's monotonic clock to the log time it had applied when its leadership began. A jump of the wall
/// clock changes nothing, and time that passed while nobody led is not counted.
pub struct LogClock {
    clock: Arc<dyn Clock>,
    store: Arc<StateStore>,
    counting: Mutex<Counting>,
}

struct Counting {
    /// Term of the leadership that counts.
    term: u64,
    base: LogTimeMs,
    since: Duration,
}

impl LogClock {
    /// Counts from what is applied when the first leadership begins.
    pub fn new(clock: Arc<dyn Clock>, store: Arc<StateStore>) -> Self {
        let counting = Mutex::new(Counting {
            term: 0,
            base: LogTimeMs(0),
            since: clock.monotonic(),
        });
        Self { clock, store, counting }
    }

    /// The log time of this moment, for a leader of `term`. Entries of earlier terms that are not applied yet may be
    /// ahead of it; apply takes the larger, so log time only stands still for that moment.
    pub fn log_time(&self, term: u64) -> LogTimeMs {
        let now = self.clock.monotonic();
        let mut counting = self.counting.lock();
        if counting.term != term {
            *counting = Counting {
                term,
                base: self.store.applied().log_time,
                since: now,
            };
        }
        let elapsed = u64::try_from(now.saturating_sub(counting.since).as_millis()).unwrap_or(u64::MAX);
        counting.base.after(elapsed)
    }

    /// Wall time, for display only.
    pub fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// The monotonic clock.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::consensus::tests::memory_engines;

    /// A clock that is set by hand.
    #[derive(Default)]
    struct Hands(Mutex<(Duration, u64)>);

    impl Clock for Hands {
        fn monotonic(&self) -> Duration {
            self.0.lock().0
        }

        fn wall_ms(&self) -> u64 {
            self.0.lock().1
        }
    }

    #[test]
    fn log_time_follows_the_monotonic_clock_whatever_the_wall_clock_does() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = StateStore::open(directory.path(), memory_engines()).unwrap();
        let hands = Arc::new(Hands::default());
        let clock = LogClock::new(Arc::clone(&hands) as Arc<dyn Clock>, store);
        assert_eq!(clock.log_time(1), LogTimeMs(0));
        let hour_ms = 3_600_000;
        for (elapsed_ms, wall_ms) in [(10, hour_ms), (20, 0), (30, 10 * hour_ms)] {
            *hands.0.lock() = (Duration::from_millis(elapsed_ms), wall_ms);
            assert_eq!(clock.log_time(1), LogTimeMs(elapsed_ms));
            assert_eq!(clock.wall_ms(), wall_ms);
        }
        // A new leadership counts from what is applied: time that passed while nobody led is not counted.
        assert_eq!(clock.log_time(2), LogTimeMs(0));
    }
}
