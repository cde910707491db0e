//! Log time as a leader hands it out.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::environment::Clock;
use crate::state_machine::StateStore;
use crate::types::LogTimeMs;

/// Adds this member's monotonic clock to the log time it had applied when it began to count. A jump of the wall clock
/// changes nothing; a new leader goes on from where the log stands.
pub struct LogClock {
    clock: Arc<dyn Clock>,
    store: Arc<StateStore>,
    counting: Mutex<Counting>,
}

struct Counting {
    base: LogTimeMs,
    since: Duration,
}

impl LogClock {
    /// Counts from what is applied now.
    pub fn new(clock: Arc<dyn Clock>, store: Arc<StateStore>) -> Self {
        let counting = Mutex::new(Counting { base: store.applied().log_time, since: clock.monotonic() });
        Self { clock, store, counting }
    }

    /// The log time of this moment. Never less than an earlier answer, nor than what is applied: where another leader
    /// has moved the log on meanwhile, counting starts anew from there.
    pub fn log_time(&self) -> LogTimeMs {
        let now = self.clock.monotonic();
        let applied = self.store.applied().log_time;
        let mut counting = self.counting.lock();
        let elapsed = u64::try_from(now.saturating_sub(counting.since).as_millis()).unwrap_or(u64::MAX);
        let time = counting.base.after(elapsed);
        if time >= applied {
            return time;
        }
        *counting = Counting { base: applied, since: now };
        applied
    }

    /// Restarts counting from what is applied: called when this member begins to lead, so that the time it spent
    /// following is not added twice.
    pub fn restart(&self) {
        *self.counting.lock() = Counting { base: self.store.applied().log_time, since: self.clock.monotonic() };
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
