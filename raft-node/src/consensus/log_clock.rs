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
