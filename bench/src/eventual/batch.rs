//! Writes in requests of many, all at one member, and how far the others are behind when it stops.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use serde::Serialize;
use tokio::task::JoinSet;

use super::pipe::{Pipe, Writes};
use crate::cpu::{CpuWindow, Process, ProcessCost};
use crate::figures::{LatencyUs, Tally};
use crate::load::Window;
use crate::target::{lasting_channel, sdk_client};
use crate::work;

/// The others have everything by then, or the run has failed.
const EVEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How requests of many writes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A stream of requests over each connection, as a client in any language would make it.
    Stream,
    /// The SDK's batch, one for each connection.
    Batch,
}

impl Way {
    /// As on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Way::Stream => "stream",
            Way::Batch => "batch",
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct BatchLoad {
    /// Members; all writes go to the first.
    pub endpoints: Vec<String>,
    /// How.
    pub way: Way,
    /// Connections.
    pub connections: usize,
    /// Writes of one request.
    pub per_request: usize,
    /// Requests under way on one connection; the SDK's batch has one.
    pub in_flight: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys.
    pub keys: u64,
    /// Measured.
    pub window: Duration,
    /// Before that, not measured.
    pub warmup: Duration,
    /// Servers whose CPU time is measured.
    pub servers: Vec<Process>,
}

/// What it came to. A latency is that of a request.
#[derive(Debug, Serialize)]
pub struct BatchReport {
    /// The system.
    pub target: &'static str,
    /// What was measured.
    pub op: &'static str,
    /// How requests were made.
    pub way: &'static str,
    /// Connections.
    pub connections: usize,
    /// Writes of one request.
    pub writes_per_request: usize,
    /// Requests under way on one connection.
    pub in_flight: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys.
    pub keys: u64,
    /// Seconds measured.
    pub seconds: f64,
    /// Writes answered in the window.
    pub operations: u64,
    /// Writes answered a second.
    pub ops_per_second: f64,
    /// From the end of the window until every member had everything, in milliseconds.
    pub lag_ms: f64,
    /// Writes answered in the window, by the time until every member had them.
    pub even_ops_per_second: f64,
    /// Shards that were sent outside of the order of the writes, because a member had not taken what was sent before in time;
    /// also before the window.
    pub repaired_shards: u64,
    /// Bytes that were sent to the other members, also before the window.
    pub sent_bytes: u64,
    /// Requests that failed in the window.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// Latencies of the answered requests; the SDK's batch does not tell.
    pub latency_us: LatencyUs,
    /// CPU time of each process.
    pub cpu: Vec<ProcessCost>,
    /// CPU time of all processes per write, in microseconds.
    pub cpu_us_per_op: f64,
    /// Cores that the processes kept busy.
    pub cores_busy: f64,
}

impl BatchLoad {
    /// Runs it.
    pub async fn run(&self) -> Result<BatchReport, String> {
        let first = self.endpoints.first().ok_or("no endpoint was named")?;
        // A member that has just started first takes over what the others have.
        until_even(first).await?;
        let writes = Writes {
            keys: (0..self.keys).map(work::key).collect(),
            value: Bytes::from(work::value(self.value_bytes)),
            per_request: self.per_request,
            in_flight: self.in_flight,
        };
        let mut pipes = Vec::new();
        for _ in 0..self.connections.max(1) {
            pipes.push(self.open(first, writes.clone()).await?);
        }
        let opens = Instant::now() + self.warmup;
        let window = Window {
            opens,
            closes: opens + self.window,
        };
        let mut writers = JoinSet::new();
        for pipe in pipes {
            writers.spawn(pipe.run(window));
        }
        tokio::time::sleep_until(window.opens.into()).await;
        let cpu = CpuWindow::open(&self.servers)?;
        tokio::time::sleep_until(window.closes.into()).await;
        let spent = cpu.close()?;
        let mut total = Tally::default();
        while let Some(tally) = writers.join_next().await {
            total.add(tally.map_err(|error| format!("a writer stopped: {error}"))??);
        }
        let peers = until_even(first).await?;
        let lag = window.closes.elapsed();
        let operations = total.operations() * self.per_request as u64;
        let all_us: u64 = spent.iter().map(|(_, time)| time.user_us + time.system_us).sum();
        let all_us = all_us as f64;
        let seconds = self.window.as_secs_f64();
        Ok(BatchReport {
            target: "quorate",
            op: "eventual-batch",
            way: self.way.name(),
            connections: self.connections,
            writes_per_request: self.per_request,
            in_flight: self.in_flight,
            value_bytes: self.value_bytes,
            keys: self.keys,
            seconds,
            operations,
            ops_per_second: operations as f64 / seconds,
            lag_ms: lag.as_secs_f64() * 1e3,
            even_ops_per_second: operations as f64 / (seconds + lag.as_secs_f64()),
            repaired_shards: peers.iter().map(|peer| peer.repaired_shards).sum(),
            sent_bytes: peers.iter().map(|peer| peer.sent_bytes).sum(),
            errors: total.errors,
            first_error: total.first_error.clone(),
            latency_us: total.latency(),
            cpu: spent
                .into_iter()
                .map(|(process, time)| ProcessCost::per_operation(process, time, operations))
                .collect(),
            cpu_us_per_op: all_us / operations.max(1) as f64,
            cores_busy: all_us / 1e6 / seconds,
        })
    }

    async fn open(&self, endpoint: &str, writes: Writes) -> Result<Writer, String> {
        Ok(match self.way {
            Way::Stream => Writer::Stream(Box::new(Pipe::open(lasting_channel(endpoint).await?, writes).await?)),
            Way::Batch => {
                let client = sdk_client(&[endpoint.to_owned()], 1).await?;
                Writer::Batch(client, writes)
            }
        })
    }
}

enum Writer {
    Stream(Box<Pipe>),
    Batch(quorate::Client, Writes),
}

impl Writer {
    async fn run(self, window: Window) -> Result<Tally, String> {
        match self {
            Writer::Stream(pipe) => pipe.run(window).await,
            Writer::Batch(client, writes) => push(&client, &writes, window).await,
        }
    }
}

/// Pushes and flushes in turn: several requests fit between two flushes. A tally counts as many writes as a request has.
async fn push(client: &quorate::Client, writes: &Writes, window: Window) -> Result<Tally, String> {
    let said = |error: quorate::Error| error.to_string();
    let batch = client
        .eventual()
        .batch()
        .writes(writes.per_request)
        .open()
        .map_err(said)?;
    let mut tally = Tally::default();
    while Instant::now() < window.closes {
        let began = Instant::now();
        for _ in 0..writes.per_request * writes.in_flight {
            let key = writes.keys[rand::random_range(0..writes.keys.len())].clone();
            batch.put(key, writes.value.clone()).await.map_err(said)?;
        }
        let flushed = batch.flush().await;
        let ended = Instant::now();
        if began < window.opens || ended >= window.closes {
            continue;
        }
        for failed in &flushed.failed {
            tally.failed(failed.error.to_string());
        }
        if flushed.failed.is_empty() {
            (0..writes.in_flight).for_each(|_| tally.answered(ended - began));
        }
    }
    let closed = batch.close().await;
    match closed.failed.first() {
        Some(failed) => Err(failed.error.to_string()),
        None => Ok(tally),
    }
}

/// Returns when every member has what this one has: how this one sees the others.
pub async fn until_even(endpoint: &str) -> Result<Vec<v1::PeerSync>, String> {
    let mut client = EventualClient::new(lasting_channel(endpoint).await?);
    let deadline = Instant::now() + EVEN_TIMEOUT;
    loop {
        let timeout_ms = 5_000;
        match client.sync_force(v1::SyncForceRequest { timeout_ms }).await {
            Ok(even) => return Ok(even.into_inner().peers),
            Err(status) if Instant::now() >= deadline => {
                return Err(format!("the members are not even: {}", status.message()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
