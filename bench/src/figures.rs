//! Latencies and counts of one run, and the line of JSON they become.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cpu::ProcessCost;
use crate::open::OpenFigures;

/// Latencies above this count as this much; a call gives up long before.
const LATENCY_NS_MAX: u64 = 120_000_000_000;

/// What one client, or all of them, saw in the measured window.
#[derive(Clone, Debug)]
pub struct Tally {
    latencies_ns: Histogram<u64>,
    /// Calls that failed.
    pub errors: u64,
    /// Compare-and-swaps that lost against another writer.
    pub conflicts: u64,
    /// The first failure, for the person who reads the figures.
    pub first_error: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let latencies_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
            .expect("the bounds are constants that the histogram accepts");
        Tally {
            latencies_ns,
            errors: 0,
            conflicts: 0,
            first_error: None,
        }
    }
}

impl Tally {
    /// Counts a call that was answered.
    pub fn answered(&mut self, latency: Duration) {
        let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies_ns.saturating_record(latency_ns.max(1));
    }

    /// Counts a call that failed.
    pub fn failed(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    /// Adds another client's figures.
    pub fn add(&mut self, other: Tally) {
        self.latencies_ns
            .add(&other.latencies_ns)
            .expect("both histograms have the same bounds");
        self.errors += other.errors;
        self.conflicts += other.conflicts;
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }

    /// Calls that were answered.
    pub fn operations(&self) -> u64 {
        self.latencies_ns.len()
    }

    /// Latencies in microseconds.
    pub fn latency(&self) -> LatencyUs {
        let at = |quantile| self.latencies_ns.value_at_quantile(quantile) as f64 / 1e3;
        LatencyUs {
            mean: self.latencies_ns.mean() / 1e3,
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.latencies_ns.max() as f64 / 1e3,
        }
    }
}

/// Latencies of the answered calls, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyUs {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1,000 were faster.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

impl LatencyUs {
    /// Of each of so many that were timed together.
    pub fn of_each(self, together: usize) -> LatencyUs {
        let each = |us: f64| us / together as f64;
        LatencyUs {
            mean: each(self.mean),
            p50: each(self.p50),
            p99: each(self.p99),
            p99_9: each(self.p99_9),
            max: each(self.max),
        }
    }
}

/// One line of output.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The system under load.
    pub target: &'static str,
    /// The operation.
    pub op: &'static str,
    /// Clients that each awaited their calls.
    pub clients: usize,
    /// Connections they shared.
    pub connections: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys.
    pub keys: u64,
    /// Seconds measured.
    pub seconds: f64,
    /// Calls answered in the window.
    pub operations: u64,
    /// Calls answered a second.
    pub ops_per_second: f64,
    /// Of the eventual tier: from the end of the window until every member had everything, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<f64>,
    /// Of the eventual tier: calls answered in the window, by the time until every member had them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub even_ops_per_second: Option<f64>,
    /// Calls that failed in the window.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// Compare-and-swaps that lost.
    pub conflicts: u64,
    /// Of an open loop, whose latencies count from when a call was due.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenFigures>,
    /// Latencies of the answered calls.
    pub latency_us: LatencyUs,
    /// CPU time of each process.
    pub cpu: Vec<ProcessCost>,
    /// CPU time of all processes per operation, in microseconds.
    pub cpu_us_per_op: f64,
    /// Cores that the processes kept busy.
    pub cores_busy: f64,
}

impl Report {
    /// For a person.
    pub fn text(&self) -> String {
        let Report { latency_us: l, .. } = self;
        let mut text = format!(
            "{} {} c{}/{}: {:.0}/s  p50 {:.0} us  p99 {:.0} us  p99.9 {:.0} us  max {:.0} us  errors {}",
            self.target,
            self.op,
            self.clients,
            self.connections,
            self.ops_per_second,
            l.p50,
            l.p99,
            l.p99_9,
            l.max,
            self.errors
        );
        if let Some(open) = &self.open {
            text += &format!(
                "\n  {} were due a second; longest silence {:.1} ms, {} above {:.0} ms",
                open.rate, open.longest_stall_ms, open.stalls, open.stall_ms
            );
            if let Some(disk) = &open.disk {
                text += &format!(
                    "\n  a sync of the probe took up to {:.1} ms, {} above {:.0} ms; longest silence beside that {:.1} ms",
                    disk.longest_sync_ms, disk.long_syncs, open.stall_ms, disk.longest_stall_apart_ms
                );
            }
        }
        for process in &self.cpu {
            text += &format!(
                "\n  {:<10} {:>6.1} us/op user {:>6.1} us/op system",
                process.role, process.user_us_per_op, process.system_us_per_op
            );
        }
        text += &format!(
            "\n  all        {:.1} us/op, {:.2} cores busy",
            self.cpu_us_per_op, self.cores_busy
        );
        if let Some(error) = &self.first_error {
            text += &format!("\n  first error: {error}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_of_two_clients_add_up() {
        let mut one = Tally::default();
        one.answered(Duration::from_micros(100));
        let mut two = Tally::default();
        two.answered(Duration::from_micros(300));
        two.failed("gone".to_owned());
        one.add(two);
        assert_eq!((one.operations(), one.errors), (2, 1));
        assert_eq!(one.first_error.as_deref(), Some("gone"));
        assert!((one.latency().max - 300.0).abs() < 1.0, "{:?}", one.latency());
    }

    #[test]
    fn a_latency_beyond_the_bounds_is_counted_not_lost() {
        let mut tally = Tally::default();
        tally.answered(Duration::from_secs(10_000));
        tally.answered(Duration::ZERO);
        assert_eq!(tally.operations(), 2);
    }
}
