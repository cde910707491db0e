//! Events a second, and how long each takes from the start of its put to its watcher.
//!
//! Writers are a closed loop; what they write carries the moment at which its call began. Every watcher gets every event.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cpu::{CpuTime, CpuWindow, Process, ProcessCost};
use crate::figures::{LatencyUs, Tally};
use crate::target::{Session, System, Target, Watchers};
use crate::work::value;

/// What is watched.
const PREFIX: &str = "bench/watched/";
/// Keys that are written.
const KEYS: u64 = 1000;
/// Bytes of a value that say when its put began.
const STAMP_BYTES: usize = 8;

/// One run.
#[derive(Clone, Debug)]
pub struct WatchLoad {
    /// The system under load.
    pub system: System,
    /// Its members, `host:port`.
    pub endpoints: Vec<String>,
    /// Writers, each with one put at a time.
    pub writers: usize,
    /// Watchers of all that is written.
    pub watchers: usize,
    /// Connections that the watchers share; writers have one of their own.
    pub connections: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Measured.
    pub window: Duration,
    /// Before that, not measured.
    pub warmup: Duration,
    /// Servers whose CPU time is measured.
    pub servers: Vec<Process>,
}

/// What a run measured.
#[derive(Debug, Serialize)]
pub struct WatchReport {
    /// The system under load.
    pub target: &'static str,
    /// Always `watch`.
    pub op: &'static str,
    /// Writers.
    pub writers: usize,
    /// Watchers.
    pub watchers: usize,
    /// Connections that the watchers shared.
    pub connections: usize,
    /// Seconds measured.
    pub seconds: f64,
    /// Events that were delivered, each counted once a watcher.
    pub ops_per_second: f64,
    /// Puts a second.
    pub puts_per_second: f64,
    /// From the start of the put to the watcher.
    pub latency_us: LatencyUs,
    /// Of the puts.
    pub put_latency_us: LatencyUs,
    /// Puts that failed.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// What each process spent on an event.
    pub cpu: Vec<ProcessCost>,
    /// CPU time of all processes for an event, in microseconds.
    pub cpu_us_per_op: f64,
    /// Cores that were busy.
    pub cores_busy: f64,
}

impl WatchLoad {
    /// Runs it.
    pub async fn run(&self) -> Result<WatchReport, String> {
        let began = Instant::now();
        let target = Target::connect(self.system, &self.endpoints, 1).await?;
        let mut watchers =
            Watchers::open(self.system, &self.endpoints, self.connections, self.watchers, PREFIX).await?;
        let opens = Instant::now() + self.warmup;
        let closes = opens + self.window;
        let mut writers = JoinSet::new();
        for number in 0..self.writers {
            writers.spawn(write(target.session(number), self.value_bytes, began, opens, closes));
        }
        let counting = tokio::spawn(async move {
            let mut events = Tally::default();
            while let Some(received) = watchers.next().await {
                if received.at >= closes {
                    break;
                }
                for value in received.values {
                    let sent = began + sent_after(&value);
                    if sent >= opens {
                        events.answered(received.at.saturating_duration_since(sent));
                    }
                }
            }
            events
        });
        tokio::time::sleep_until(opens.into()).await;
        let cpu = CpuWindow::open(&self.servers)?;
        tokio::time::sleep_until(closes.into()).await;
        let spent = cpu.close()?;
        let mut puts = Tally::default();
        while let Some(tally) = writers.join_next().await {
            puts.add(tally.map_err(|error| format!("a writer stopped: {error}"))?);
        }
        let events = counting.await.map_err(|error| format!("the count stopped: {error}"))?;
        Ok(self.report(&events, &puts, spent))
    }

    fn report(&self, events: &Tally, puts: &Tally, spent: Vec<(Process, CpuTime)>) -> WatchReport {
        let seconds = self.window.as_secs_f64();
        let count = events.operations();
        let all_us: u64 = spent.iter().map(|(_, time)| time.user_us + time.system_us).sum();
        let cpu = spent
            .into_iter()
            .map(|(process, time)| ProcessCost::per_operation(process, time, count));
        WatchReport {
            target: self.system.name(),
            op: "watch",
            writers: self.writers,
            watchers: self.watchers,
            connections: self.connections,
            seconds,
            ops_per_second: count as f64 / seconds,
            puts_per_second: puts.operations() as f64 / seconds,
            latency_us: events.latency(),
            put_latency_us: puts.latency(),
            errors: puts.errors,
            first_error: puts.first_error.clone(),
            cpu: cpu.collect(),
            cpu_us_per_op: all_us as f64 / count.max(1) as f64,
            cores_busy: all_us as f64 / 1e6 / seconds,
        }
    }
}

/// Writes until the window closes.
async fn write(mut session: Session, value_bytes: usize, start: Instant, opens: Instant, closes: Instant) -> Tally {
    let mut puts = Tally::default();
    let rest = value(value_bytes.saturating_sub(STAMP_BYTES));
    loop {
        let key = Bytes::from(format!("{PREFIX}{:06}", rand::random_range(0..KEYS)));
        let began = Instant::now();
        if began >= closes {
            return puts;
        }
        let mut stamped = BytesMut::with_capacity(STAMP_BYTES + rest.len());
        stamped.put_u64(u64::try_from((began - start).as_nanos()).unwrap_or(u64::MAX));
        stamped.put_slice(&rest);
        let answer = session.put(key, stamped.freeze()).await;
        if began >= opens {
            match answer {
                Ok(()) => puts.answered(began.elapsed()),
                Err(error) => puts.failed(error),
            }
        }
    }
}

/// When the put of a value began.
fn sent_after(value: &[u8]) -> Duration {
    let stamp = value.first_chunk::<STAMP_BYTES>();
    Duration::from_nanos(stamp.map_or(0, |stamp| u64::from_be_bytes(*stamp)))
}
