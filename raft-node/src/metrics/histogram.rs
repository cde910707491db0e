//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::environment::{Clock, SystemClock};

/// Upper bounds in nanoseconds and as they are shown, in seconds. They reach from a sync of a fast disk to a call that
/// waited for an election.
pub(super) const BOUNDS: [(u64, &str); 18] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
];

/// Durations, counted by upper bound. To record one is a short search and two atomic additions.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is of those above every bound.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// How many were at most as long as each bound.
    pub(super) up_to: [u64; BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// How long they took together, in nanoseconds.
    pub sum_ns: u64,
}

impl Histogram {
    /// Something took so long.
    pub fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bound = BOUNDS.partition_point(|(bound, _)| *bound < ns);
        self.counts[bound].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Runs `work` and records how long it took. The clock is read here, so that who works need not know one.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = SystemClock.monotonic();
        let done = work();
        self.record(SystemClock.monotonic().saturating_sub(began));
        done
    }

    /// What was recorded so far.
    pub fn read(&self) -> Timed {
        let mut count = 0;
        let mut up_to = [0; BOUNDS.len()];
        for (place, counted) in self.counts.iter().enumerate() {
            count += counted.load(Ordering::Relaxed);
            if let Some(up_to) = up_to.get_mut(place) {
                *up_to = count;
            }
        }
        Timed {
            up_to,
            count,
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_for_every_bound_that_it_does_not_pass() {
        let histogram = Histogram::default();
        for us in [10, 50, 51, 1000, 60_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let read = histogram.read();
        let of = |bound: &str| {
            let place = BOUNDS.iter().position(|(_, shown)| *shown == bound);
            read.up_to[place.unwrap()]
        };
        assert_eq!(
            [of("0.00005"), of("0.0001"), of("0.0005"), of("0.001"), of("30")],
            [2, 3, 3, 4, 4]
        );
        assert_eq!(read.count, 5);
        assert_eq!(read.sum_ns, 60_001_111_000);
    }

    #[test]
    fn bounds_grow_and_are_shown_as_what_they_are() {
        for pair in BOUNDS.windows(2) {
            assert!(pair[0].0 < pair[1].0);
        }
        for (ns, shown) in BOUNDS {
            let seconds: f64 = shown.parse().unwrap();
            assert_eq!((seconds * 1e9).round() as u64, ns, "{shown}");
        }
    }
}
