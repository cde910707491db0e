//! The closed loop: every client awaits its call before it makes the next.
//!
//! Only calls that begin and end inside the measured window count. CPU time is read at both ends of the same window.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use tokio::task::JoinSet;

use crate::cpu::{CpuTime, CpuWindow, Process, ProcessCost};
use crate::figures::{Report, Tally};
use crate::target::{Session, Swap, System, Target};

/// Clients that write the keys before a run of reads.
const PRELOADERS: u64 = 64;

/// After a failed call a client waits this long, so that a dead server is not hammered with errors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// What every client does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Op {
    /// Writes a random key.
    Put,
    /// Reads a random key, linearizably; all keys exist.
    Get,
    /// Compares the modification revision of the client's own key and writes it, in one transaction.
    Cas,
}

impl Op {
    /// As on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Op::Put => "put",
            Op::Get => "get",
            Op::Cas => "cas",
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Load {
    /// The system under load.
    pub system: System,
    /// Its members, `host:port`.
    pub endpoints: Vec<String>,
    /// What the clients do.
    pub op: Op,
    /// Clients, each with one call at a time.
    pub clients: usize,
    /// Connections that they share.
    pub connections: usize,
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

/// The measured part of a run.
#[derive(Clone, Copy, Debug)]
struct Window {
    opens: Instant,
    closes: Instant,
}

impl Load {
    /// Runs it.
    pub async fn run(&self) -> Result<Report, String> {
        let target = Target::connect(self.system, &self.endpoints, self.connections).await?;
        let value = Bytes::from(value(self.value_bytes));
        if self.op == Op::Get {
            preload(&target, self.keys, &value).await?;
        }
        let opens = Instant::now() + self.warmup;
        let window = Window {
            opens,
            closes: opens + self.window,
        };
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let client = Client {
                session: target.session(number),
                own_key: key(number as u64),
                own_revision: 0,
                keys: self.keys,
                value: value.clone(),
                op: self.op,
            };
            clients.spawn(client.run(window));
        }
        tokio::time::sleep_until(window.opens.into()).await;
        let cpu = CpuWindow::open(&self.servers)?;
        tokio::time::sleep_until(window.closes.into()).await;
        let spent = cpu.close()?;
        let mut total = Tally::default();
        while let Some(tally) = clients.join_next().await {
            total.add(tally.map_err(|error| format!("a client stopped: {error}"))?);
        }
        Ok(self.report(&total, spent))
    }

    fn report(&self, total: &Tally, spent: Vec<(Process, CpuTime)>) -> Report {
        let seconds = self.window.as_secs_f64();
        let operations = total.operations();
        let all_us: u64 = spent.iter().map(|(_, time)| time.user_us + time.system_us).sum();
        let all_us = all_us as f64;
        let cpu = spent
            .into_iter()
            .map(|(process, time)| ProcessCost::per_operation(process, time, operations))
            .collect();
        Report {
            target: self.system.name(),
            op: self.op.name(),
            clients: self.clients,
            connections: self.connections,
            value_bytes: self.value_bytes,
            keys: self.keys,
            seconds,
            operations,
            ops_per_second: operations as f64 / seconds,
            errors: total.errors,
            first_error: total.first_error.clone(),
            conflicts: total.conflicts,
            latency_us: total.latency(),
            cpu,
            cpu_us_per_op: all_us / operations.max(1) as f64,
            cores_busy: all_us / 1e6 / seconds,
        }
    }
}

/// One client of the closed loop.
struct Client {
    session: Session,
    own_key: Bytes,
    own_revision: u64,
    keys: u64,
    value: Bytes,
    op: Op,
}

impl Client {
    async fn run(mut self, window: Window) -> Tally {
        let mut tally = Tally::default();
        loop {
            let began = Instant::now();
            if began >= window.closes {
                return tally;
            }
            let answer = self.call().await;
            let ended = Instant::now();
            let counts = began >= window.opens && ended < window.closes;
            match answer {
                Ok(conflict) if counts => {
                    tally.answered(ended - began);
                    tally.conflicts += u64::from(conflict);
                }
                Ok(_) => {}
                Err(error) => {
                    if counts {
                        tally.failed(error);
                    }
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// One call; true when it was a compare-and-swap that lost.
    async fn call(&mut self) -> Result<bool, String> {
        let random_key = || key(rand::random_range(0..self.keys));
        match self.op {
            Op::Put => self.session.put(random_key(), self.value.clone()).await.map(|()| false),
            Op::Get => match self.session.get(random_key()).await? {
                0 => Err("a preloaded key does not exist".to_owned()),
                _ => Ok(false),
            },
            Op::Cas => {
                let swap = self
                    .session
                    .compare_and_swap(self.own_key.clone(), self.own_revision, self.value.clone());
                let (revision, conflict) = match swap.await? {
                    Swap::Done(revision) => (revision, false),
                    Swap::Lost(revision) => (revision, true),
                };
                self.own_revision = revision;
                Ok(conflict)
            }
        }
    }
}

/// Writes every key once.
async fn preload(target: &Target, keys: u64, value: &Bytes) -> Result<(), String> {
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..PRELOADERS.min(keys) {
        let mut session = target.session(writer as usize);
        let (next, value) = (Arc::clone(&next), value.clone());
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= keys {
                    return Ok(());
                }
                session.put(key(number), value.clone()).await?;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        let written: Result<(), String> = written.map_err(|error| format!("preload stopped: {error}"))?;
        written.map_err(|error| format!("preload: {error}"))?;
    }
    Ok(())
}

/// Key number `number`.
pub fn key(number: u64) -> Bytes {
    Bytes::from(format!("bench/{number:012}"))
}

/// A value that does not compress to nothing.
pub fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random()).collect()
}
