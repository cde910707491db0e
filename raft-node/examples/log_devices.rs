//! Measures the two media for the log under the same load, interleaved: groups of 1, 16 and 64 entries of 300 bytes, one
//! write and one sync a group. Prints latencies and the CPU time of the whole process per group.
//!
//! ```text
//! cargo run --example log_devices [DIRECTORY]
//! ```

#![allow(clippy::disallowed_methods, reason = "a measurement takes real time")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use openraft::EntryPayload;
use quorate_node::consensus::{Entry, LogId};
use quorate_node::log_store::{FileDisk, LogDevice, LogRecord, RocksDevice, SegmentLog};
use quorate_node::state_machine::Group;
use rustix::time::ClockId;

const RUN: Duration = Duration::from_secs(3);
const ROUNDS: u32 = 2;
const ENTRY_BYTES: usize = 300;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Entries between two purges, each of which leaves as many: some 64 MiB.
const PURGE_EVERY: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    println!("device    round  entries  groups   p50 us   p99 us   p99.9 us   CPU us/group   MiB/s");
    for entries in [1, 16, 64] {
        for round in 1..=ROUNDS {
            let directory = tempfile::tempdir_in(&parent)?;
            let device = SegmentLog::new(FileDisk::open(directory.path().join("log"))?, SEGMENT_BYTES);
            measure("segments", round, entries, device)?;
            let directory = tempfile::tempdir_in(&parent)?;
            measure("rocksdb", round, entries, RocksDevice::open(&rocks(directory.path()))?)?;
        }
    }
    Ok(())
}

fn rocks(directory: &Path) -> PathBuf {
    directory.join("rocksdb")
}

fn measure(name: &str, round: u32, entries: u64, mut device: impl LogDevice) -> Result<(), Box<dyn Error>> {
    device.recover()?;
    let payload = Bytes::from(vec![7; ENTRY_BYTES]);
    let mut latencies = Histogram::<u64>::new(3)?;
    let (mut next, mut purged, mut bytes) = (0, 0, 0);
    let (cpu, start) = (cpu_time(), Instant::now());
    while start.elapsed() < RUN {
        let mut records: Vec<LogRecord> = (next..next + entries).map(|index| entry(index, &payload)).collect();
        next += entries;
        if next - purged > 2 * PURGE_EVERY {
            purged += PURGE_EVERY;
            records.push(LogRecord::Purge(LogId::new_term_index(1, purged)));
        }
        let begin = Instant::now();
        bytes += device.write(&records)?;
        device.sync()?;
        latencies.record(u64::try_from(begin.elapsed().as_nanos())?)?;
    }
    let groups = latencies.len();
    let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
    println!(
        "{name:<10}{round:>5}{entries:>9}{groups:>8}{:>9.0}{:>9.0}{:>11.0}{:>15.1}{:>8.0}",
        us(latencies.value_at_quantile(0.5)),
        us(latencies.value_at_quantile(0.99)),
        us(latencies.value_at_quantile(0.999)),
        (cpu_time() - cpu).as_secs_f64() * 1e6 / groups as f64,
        bytes as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn entry(index: u64, payload: &Bytes) -> LogRecord {
    LogRecord::Entry(Entry {
        log_id: LogId::new_term_index(1, index),
        payload: EntryPayload::Normal(Group::from_bytes(payload.clone())),
    })
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanoseconds.unwrap_or(0))
}
