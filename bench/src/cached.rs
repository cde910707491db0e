//! Reads that the cache of the SDK answers, on one thread, and what its entries occupy.
//!
//! The members are there to keep the cache true: one key in a second is written, so that its watch has something to tell,
//! and the bound of every read is one that a proof has to be had for. A look-up takes less than two looks at the clock, so
//! they are timed in rounds, and a latency is the mean of a round.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use quorate::{Cache, CacheSettings, Client, Coherence, Consistency, Keys, Op};
use serde::Serialize;

use crate::cpu::{CpuWindow, Process, resident_bytes};
use crate::figures::{LatencyUs, Tally};
use crate::work::{key, value};

/// Look-ups between two looks at the clock.
const ROUND: usize = 1_000;
/// A stride that visits every key, and neighbours never one after the other.
const STRIDE: usize = 61_803;
/// The bound of each read.
const STALENESS_MAX: Duration = Duration::from_secs(1);
/// Between two writes of somebody else.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Keys that one transaction writes.
const KEYS_PER_TXN: u64 = 100;
/// Between two looks at what a cache holds.
const POLL: Duration = Duration::from_millis(10);
/// What a cache may hold at most.
const ENTRIES_MAX: u64 = 126_976;
/// Everything is read and kept true by then.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(60);

/// How the cache is asked, or what is measured of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CachedWay {
    /// `Cache::get`, which is no future.
    LookUp,
    /// `Client::get` of bounded staleness, awaited.
    Awaited,
    /// Bytes of resident memory an entry; then as `look-up`.
    Memory,
}

/// A run.
#[derive(Clone, Debug)]
pub struct CachedLoad {
    /// Members, `host:port`.
    pub endpoints: Vec<String>,
    /// What is done.
    pub way: CachedWay,
    /// Keys, all of which are cached.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Measured.
    pub window: Duration,
    /// Before that, not measured.
    pub warmup: Duration,
    /// Servers whose CPU time is measured.
    pub servers: Vec<Process>,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct CachedReport {
    /// The system.
    pub target: &'static str,
    /// How the cache was asked.
    pub op: &'static str,
    /// Keys.
    pub keys: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Reads that the cache answered.
    pub operations: u64,
    /// The same a second, on one thread.
    pub ops_per_second: f64,
    /// Nanoseconds of a read.
    pub ns_per_op: f64,
    /// Means of rounds of 1,000 reads, in microseconds.
    pub latency_us: LatencyUs,
    /// Reads that it did not answer: of keys that were being replaced. They count as nothing else.
    pub missed: u64,
    /// Rounds that failed.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<String>,
    /// CPU time of all processes per read, in microseconds.
    pub cpu_us_per_op: f64,
    /// Cores that all processes kept busy.
    pub cores_busy: f64,
    /// Entries that the cache held.
    pub entries: u64,
    /// What it counts of each, in bytes.
    pub counted_bytes_per_entry: f64,
    /// Resident memory of this process for each, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_entry: Option<f64>,
}

impl CachedLoad {
    /// Runs it.
    pub async fn run(&self) -> Result<CachedReport, String> {
        self.preload().await?;
        // With room to spare nothing is left out for what is asked for more often.
        let room = (self.keys + self.keys / 4 + 16).min(ENTRIES_MAX);
        let settings = CacheSettings::new().entries_max(room);
        let builder = Client::builder().endpoints(self.endpoints.clone()).cache(settings);
        let client = builder.connect().await.map_err(said)?;
        let cache = client.cache().ok_or("the client was made without a cache")?;
        // What a client takes whose cache holds nothing is not its entries'; nor is anything kept before its watch is there.
        client.get(key(0)).await.map_err(said)?;
        let deadline = Instant::now() + WARM_UP_TIMEOUT;
        while !cache.is_kept(Coherence::Eventual) {
            if Instant::now() >= deadline {
                return Err(format!("no member keeps the cache true: {:?}", cache.trouble()));
            }
            tokio::time::sleep(POLL).await;
        }
        let before = resident_bytes(std::process::id())?;
        let warm_up = cache.warm_up([Keys::prefix("bench/")]).timeout(WARM_UP_TIMEOUT);
        let warmed = warm_up.await.map_err(said)?;
        let mut stats = cache.stats();
        while stats.entries < self.keys {
            if Instant::now() >= deadline {
                return Err(format!(
                    "{} of {} keys are cached: {warmed:?}",
                    stats.entries, self.keys
                ));
            }
            tokio::time::sleep(POLL).await;
            stats = cache.stats();
        }
        let resident = resident_bytes(std::process::id())?.saturating_sub(before);
        let writer = crate::target::sdk_client(&self.endpoints, 1).await?;
        let writing = tokio::spawn(write(writer, self.value_bytes));
        let measured = self.measure(client.clone(), cache).await;
        writing.abort();
        client.close().await;
        let (tally, missed, seconds, spent_us) = measured?;
        let operations = tally.operations() * ROUND as u64 - missed;
        let entries = stats.entries.max(1) as f64;
        Ok(CachedReport {
            target: "quorate",
            op: match self.way {
                CachedWay::LookUp => "cached-read",
                CachedWay::Awaited => "cached-read-awaited",
                CachedWay::Memory => "cache-memory",
            },
            keys: self.keys,
            value_bytes: self.value_bytes,
            operations,
            ops_per_second: operations as f64 / seconds,
            ns_per_op: seconds * 1e9 / operations.max(1) as f64,
            latency_us: tally.latency().of_each(ROUND),
            missed,
            errors: tally.errors,
            first_error: tally.first_error.clone(),
            cpu_us_per_op: spent_us / operations.max(1) as f64,
            cores_busy: spent_us / 1e6 / seconds,
            entries: stats.entries,
            counted_bytes_per_entry: stats.bytes as f64 / entries,
            bytes_per_entry: (self.way == CachedWay::Memory).then(|| resident as f64 / entries),
        })
    }

    /// By a client that has no cache, and is gone before memory is measured.
    async fn preload(&self) -> Result<(), String> {
        let client = crate::target::sdk_client(&self.endpoints, 1).await?;
        let value = Bytes::from(value(self.value_bytes));
        let mut number = 0;
        while number < self.keys {
            let mut txn = client.txn();
            for _ in 0..KEYS_PER_TXN.min(self.keys - number) {
                txn = txn.then(Op::put(key(number), value.clone()));
                number += 1;
            }
            txn.await.map_err(said)?;
        }
        client.close().await;
        Ok(())
    }

    /// Rounds in the window, what the cache did not answer of them, how long it was, and the CPU time of it.
    async fn measure(&self, client: Client, cache: Cache) -> Result<(Tally, u64, f64, f64), String> {
        let keys: Vec<Bytes> = (0..self.keys).map(key).collect();
        let rounds = Rounds { keys, next: 0 };
        let opens = Instant::now() + self.warmup;
        let (way, window) = (self.way, self.window);
        let servers = self.servers.clone();
        // A thread of its own: on those of the runtime the cache is kept true.
        let handle = tokio::runtime::Handle::current();
        let reading = move || {
            let mut rounds = rounds;
            let mut once = || match way {
                CachedWay::Awaited => handle.block_on(rounds.awaited(&client)),
                CachedWay::LookUp | CachedWay::Memory => Ok(rounds.look_up(&cache)),
            };
            while Instant::now() < opens {
                // The first proof may be on its way yet.
                let _ = once();
            }
            let cpu = CpuWindow::open(&servers)?;
            let began = Instant::now();
            let (mut tally, mut missed) = (Tally::default(), 0);
            while began.elapsed() < window {
                let round = Instant::now();
                match once() {
                    Ok(not_cached) => {
                        tally.answered(round.elapsed());
                        missed += not_cached;
                    }
                    Err(error) => tally.failed(error),
                }
            }
            let seconds = began.elapsed().as_secs_f64();
            let spent = cpu.close()?;
            let spent_us: u64 = spent.iter().map(|(_, time)| time.user_us + time.system_us).sum();
            Ok((tally, missed, seconds, spent_us as f64))
        };
        let measured = tokio::task::spawn_blocking(reading).await;
        measured.map_err(|error| format!("the measurement stopped: {error}"))?
    }
}

/// Reads of all keys, in turn.
struct Rounds {
    keys: Vec<Bytes>,
    next: usize,
}

impl Rounds {
    fn key(&mut self) -> &Bytes {
        self.next = (self.next + STRIDE) % self.keys.len();
        &self.keys[self.next]
    }

    /// How many were not answered.
    fn look_up(&mut self, cache: &Cache) -> u64 {
        let mut missed = 0;
        for _ in 0..ROUND {
            match cache.get("default", self.key(), STALENESS_MAX) {
                Some(cached) => drop(std::hint::black_box(cached)),
                None => missed += 1,
            }
        }
        missed
    }

    /// How many were answered by a member.
    async fn awaited(&mut self, client: &Client) -> Result<u64, String> {
        let mut missed = 0;
        for _ in 0..ROUND {
            let key = self.key().clone();
            let get = client.get(key).consistency(Consistency::BoundedStale(STALENESS_MAX));
            let reply = get.await.map_err(said)?;
            missed += u64::from(reply.source != quorate::Source::Cache);
            std::hint::black_box(reply);
        }
        Ok(missed)
    }
}

/// Somebody else's writes.
async fn write(client: Client, value_bytes: usize) {
    let value = Bytes::from(value(value_bytes));
    for number in 0.. {
        tokio::time::sleep(WRITE_EVERY).await;
        // One that fails shows in the reads, if it matters.
        let _ = client.put(key(number % 10), value.clone()).await;
    }
}

fn said(error: quorate::Error) -> String {
    error.to_string()
}
