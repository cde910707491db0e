//! One operation over and over, in a closed loop, where every client awaits its call before it makes the next, or in an open one.
//!
//! Of a closed loop only calls that begin and end inside the measured window count. CPU time is read at both ends of the same
//! window.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cpu::{CpuTime, CpuWindow, Process, ProcessCost};
use crate::eventual::batch::until_even;
use crate::figures::{Report, Tally};
use crate::open::{self, OpenFigures, Pace};
use crate::target::System;
use crate::work::{KeyWork, Op, Work};

/// After a failed call a client waits this long, so that a dead server is not hammered with errors.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// One run.
#[derive(Clone, Debug)]
pub struct Load {
    /// The system under load.
    pub system: System,
    /// Its members, `host:port`.
    pub endpoints: Vec<String>,
    /// What the clients do.
    pub op: Op,
    /// Calls begin at this pace, whoever waits for an answer. None: a client begins one when it has the answer to its last.
    pub pace: Option<Pace>,
    /// Clients, each with one call at a time; where there is a pace, sessions that take turns.
    pub clients: usize,
    /// Connections that they share.
    pub connections: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys.
    pub keys: u64,
    /// All of them exist: reads write none before.
    pub filled: bool,
    /// Measured.
    pub window: Duration,
    /// Before that, not measured.
    pub warmup: Duration,
    /// Servers whose CPU time is measured.
    pub servers: Vec<Process>,
}

/// The measured part of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) opens: Instant,
    pub(crate) closes: Instant,
}

impl Load {
    /// Runs it.
    pub async fn run(&self) -> Result<Report, String> {
        let clients = Clients::of(self).await?;
        let opens = Instant::now() + self.warmup;
        let window = Window {
            opens,
            closes: opens + self.window,
        };
        let calls = tokio::spawn(clients.run(window));
        tokio::time::sleep_until(window.opens.into()).await;
        let cpu = CpuWindow::open(&self.servers)?;
        tokio::time::sleep_until(window.closes.into()).await;
        let spent = cpu.close()?;
        let calls = calls.await.map_err(|error| format!("the clients stopped: {error}"))?;
        let (total, open) = calls?;
        let lag = match (self.op, self.endpoints.first()) {
            (Op::EventualPut, Some(first)) => {
                until_even(first).await?;
                Some(window.closes.elapsed())
            }
            _ => None,
        };
        let mut report = self.report(&total, spent, lag);
        report.open = open;
        Ok(report)
    }

    fn report(&self, total: &Tally, spent: Vec<(Process, CpuTime)>, lag: Option<Duration>) -> Report {
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
            lag_ms: lag.map(|lag| lag.as_secs_f64() * 1e3),
            even_ops_per_second: lag.map(|lag| operations as f64 / (seconds + lag.as_secs_f64())),
            errors: total.errors,
            first_error: total.first_error.clone(),
            conflicts: total.conflicts,
            open: None,
            latency_us: total.latency(),
            cpu,
            cpu_us_per_op: all_us / operations.max(1) as f64,
            cores_busy: all_us / 1e6 / seconds,
        }
    }
}

/// Who makes the calls.
enum Clients {
    Closed(Vec<Work>),
    Open(Vec<KeyWork>, Pace),
}

impl Clients {
    async fn of(load: &Load) -> Result<Clients, String> {
        Ok(match load.pace.clone() {
            None => Clients::Closed(Work::of_all(load).await?),
            Some(pace) => Clients::Open(KeyWork::of_all(load).await?, pace),
        })
    }

    async fn run(self, window: Window) -> Result<(Tally, Option<OpenFigures>), String> {
        match self {
            Clients::Closed(work) => Ok((run_closed(work, window).await?, None)),
            Clients::Open(work, pace) => {
                let (total, open) = open::run(work, pace, window).await?;
                Ok((total, Some(open)))
            }
        }
    }
}

async fn run_closed(work: Vec<Work>, window: Window) -> Result<Tally, String> {
    let mut clients = JoinSet::new();
    for work in work {
        clients.spawn(run_client(work, window));
    }
    let mut total = Tally::default();
    while let Some(tally) = clients.join_next().await {
        total.add(tally.map_err(|error| format!("a client stopped: {error}"))?);
    }
    Ok(total)
}

/// One client of the closed loop.
async fn run_client(mut work: Work, window: Window) -> Tally {
    let mut tally = Tally::default();
    loop {
        let began = Instant::now();
        if began >= window.closes {
            return tally;
        }
        let answer = work.once().await;
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
