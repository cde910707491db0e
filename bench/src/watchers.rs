//! What many watchers cost that nothing happens to: memory of the member that has them, and what they take from puts and
//! from the events of the few to whom something does happen.

use std::time::Duration;

use quorate::{Client, Keys, Watch};
use serde::Serialize;

use crate::cpu::resident_bytes;
use crate::load::Load;
use crate::target::System;
use crate::watch::WatchLoad;
use crate::work::Op;

/// Watchers that do get something, when delivery is measured.
const BUSY_WATCHERS: usize = 10;
/// Clients that put.
const CLIENTS: usize = 64;

/// A run.
#[derive(Debug)]
pub struct IdleWatchers {
    /// Members; all watchers are at the first.
    pub endpoints: Vec<String>,
    /// How many.
    pub watchers: usize,
    /// Connections that they share.
    pub connections: usize,
    /// Process id of the first member.
    pub pid: u32,
    /// In each, everything is measured without and with the watchers.
    pub rounds: u32,
    /// How long each measurement takes.
    pub window: Duration,
}

/// What it came to; medians of the rounds.
#[derive(Debug, Serialize)]
pub struct IdleWatchersReport {
    /// Watchers that nothing happened to.
    pub watchers: usize,
    /// Connections that they shared.
    pub connections: usize,
    /// Resident memory of the member, in bytes for each of them: the least over the rounds and the most.
    pub bytes_per_watcher: [f64; 2],
    /// Puts a second of 64 clients, without them and with them.
    pub puts_per_second: [f64; 2],
    /// 99th percentile of 10 other watchers' delivery from the start of the put, one writer, without and with them, in
    /// microseconds.
    pub delivery_p99_us: [f64; 2],
    /// The median of the same.
    pub delivery_p50_us: [f64; 2],
}

/// What one phase of a round measured.
struct Phase {
    puts_per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

impl IdleWatchers {
    /// Runs it.
    pub async fn run(self) -> Result<IdleWatchersReport, String> {
        let (mut without, mut with, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            without.push(self.measure().await?);
            let before = resident_bytes(self.pid)?;
            let watches = self.open().await?;
            let after = resident_bytes(self.pid)?;
            bytes.push(after.saturating_sub(before) as f64 / self.watchers as f64);
            with.push(self.measure().await?);
            drop(watches);
        }
        let both = |of: fn(&Phase) -> f64| [median(&without, of), median(&with, of)];
        let least = bytes.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(IdleWatchersReport {
            watchers: self.watchers,
            connections: self.connections,
            bytes_per_watcher: [least, bytes.iter().copied().fold(0.0, f64::max)],
            puts_per_second: both(|phase| phase.puts_per_second),
            delivery_p99_us: both(|phase| phase.p99_us),
            delivery_p50_us: both(|phase| phase.p50_us),
        })
    }

    async fn measure(&self) -> Result<Phase, String> {
        let load = Load {
            system: System::Quorate,
            endpoints: self.endpoints.clone(),
            op: Op::Put,
            pace: None,
            clients: CLIENTS,
            connections: 1,
            value_bytes: 256,
            keys: 10_000,
            filled: false,
            window: self.window,
            warmup: Duration::from_secs(1),
            servers: Vec::new(),
        };
        let puts = load.run().await?;
        let events = WatchLoad {
            system: System::Quorate,
            endpoints: self.endpoints.iter().take(1).cloned().collect(),
            writers: 1,
            watchers: BUSY_WATCHERS,
            connections: 1,
            value_bytes: 256,
            window: self.window,
            warmup: Duration::from_secs(1),
            servers: Vec::new(),
        };
        let events = events.run().await?;
        Ok(Phase {
            puts_per_second: puts.ops_per_second,
            p50_us: events.latency_us.p50,
            p99_us: events.latency_us.p99,
        })
    }

    /// Each watches a key of its own, one in eight a prefix and one in eight a pattern.
    async fn open(&self) -> Result<Vec<Watch>, String> {
        let said = |error: quorate::Error| error.to_string();
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            let first = self.endpoints.iter().take(1).cloned();
            clients.push(Client::builder().endpoints(first).connect().await.map_err(said)?);
        }
        let mut watches = Vec::with_capacity(self.watchers);
        for (number, client) in (0..self.watchers).zip(clients.iter().cycle()) {
            let keys = match number % 8 {
                0 => Keys::prefix(format!("idle/{number}/")),
                1 => Keys::pattern(format!("idle/*/{number}")),
                _ => Keys::key(format!("idle/{number}")),
            };
            watches.push(client.watch(keys).await.map_err(said)?);
        }
        Ok(watches)
    }
}

fn median(phases: &[Phase], of: impl Fn(&Phase) -> f64) -> f64 {
    let mut values: Vec<f64> = phases.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
