//! When the newest entries of the log were where, at this member.
//!
//! A ring: an entry has the slot of its index until a later one takes it. Each time is written by the one task that the entry
//! is with, and read by whoever tells of it; the numbers are independent of each other, so nothing orders them. A reader that
//! meets a slot which changes hands sees at worst a wrong time, never anything else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Entries that are remembered: far more than are on their way at a time.
const ENTRIES: usize = 1024;

/// When an entry was where. What is not known is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// It came to the log.
    pub appended: Option<Duration>,
    /// It was on the disk of this member.
    pub synced: Option<Duration>,
    /// It was known to be on a majority's: it came to be applied.
    pub committed: Option<Duration>,
    /// It was applied, and could be read.
    pub applied: Option<Duration>,
}

#[derive(Debug, Default)]
struct Slot {
    index: AtomicU64,
    /// Nanoseconds of the monotonic clock; 0: not known.
    appended: AtomicU64,
    synced: AtomicU64,
    committed: AtomicU64,
    applied: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub struct EntryTimes {
    slots: Box<[Slot]>,
}

impl Default for EntryTimes {
    fn default() -> Self {
        Self {
            slots: (0..ENTRIES).map(|_| Slot::default()).collect(),
        }
    }
}

impl EntryTimes {
    /// The entry came to the log; what was known of it, or of the one before it in its place, is forgotten.
    pub fn appended(&self, index: u64, at: Duration) {
        let slot = self.slot(index);
        slot.index.store(0, Ordering::Relaxed);
        for moment in [&slot.synced, &slot.committed, &slot.applied] {
            moment.store(0, Ordering::Relaxed);
        }
        slot.appended.store(nanoseconds(at), Ordering::Relaxed);
        slot.index.store(index, Ordering::Relaxed);
    }

    /// The entry was synced.
    pub fn synced(&self, index: u64, at: Duration) {
        self.set(index, |slot| &slot.synced, at);
    }

    /// The entry was committed, and is about to be applied.
    pub fn committed(&self, index: u64, at: Duration) {
        self.set(index, |slot| &slot.committed, at);
    }

    /// The entry was applied.
    pub fn applied(&self, index: u64, at: Duration) {
        self.set(index, |slot| &slot.applied, at);
    }

    /// What is known of an entry: nothing of one that was in the log when the member started, nor of an old one.
    pub fn of(&self, index: u64) -> Moments {
        let slot = self.slot(index);
        if slot.index.load(Ordering::Relaxed) != index {
            return Moments::default();
        }
        let read = |moment: &AtomicU64| {
            let nanoseconds = moment.load(Ordering::Relaxed);
            (nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds))
        };
        Moments {
            appended: read(&slot.appended),
            synced: read(&slot.synced),
            committed: read(&slot.committed),
            applied: read(&slot.applied),
        }
    }

    fn set(&self, index: u64, which: impl Fn(&Slot) -> &AtomicU64, at: Duration) {
        let slot = self.slot(index);
        if slot.index.load(Ordering::Relaxed) == index {
            which(slot).store(nanoseconds(at), Ordering::Relaxed);
        }
    }

    fn slot(&self, index: u64) -> &Slot {
        // The remainder is below a constant that fits.
        &self.slots[(index % ENTRIES as u64) as usize]
    }
}

/// Since the process began, so that 0 does not occur after it.
fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_entry_is_remembered_until_another_takes_its_place() {
        let times = EntryTimes::default();
        times.appended(7, ms(1));
        times.committed(7, ms(3));
        times.synced(7, ms(2));
        let known = Moments {
            appended: Some(ms(1)),
            synced: Some(ms(2)),
            committed: Some(ms(3)),
            applied: None,
        };
        assert_eq!(times.of(7), known);
        let later = 7 + ENTRIES as u64;
        times.appended(later, ms(9));
        times.applied(7, ms(10));
        assert_eq!(times.of(7), Moments::default());
        assert_eq!(
            times.of(later),
            Moments {
                appended: Some(ms(9)),
                ..Moments::default()
            }
        );
    }

    #[test]
    fn an_entry_that_takes_the_place_of_a_truncated_one_begins_anew() {
        let times = EntryTimes::default();
        times.appended(7, ms(1));
        times.synced(7, ms(2));
        times.appended(7, ms(5));
        assert_eq!(times.of(7).synced, None);
        assert_eq!(times.of(7).appended, Some(ms(5)));
    }

    #[test]
    fn an_entry_that_was_in_the_log_before_is_not_known() {
        let times = EntryTimes::default();
        times.committed(7, ms(1));
        times.applied(7, ms(2));
        assert_eq!(times.of(7), Moments::default());
        assert_eq!(times.of(0), Moments::default());
    }
}
