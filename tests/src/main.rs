//! The long runs: the same scenarios as in the tests, for as many rounds as there is time.

#![allow(
    clippy::disallowed_methods,
    reason = "the runs take real time and draw their own seeds; nothing here is replicated"
)]

mod cli;

use std::io::Read;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cli::campaign::{ExportOptions, ReplayOptions, RunOptions};
use cli::canaries::{CanaryOptions, FailpointOptions, PromiseOptions};
use quorate_tests::HarnessError;
use quorate_tests::campaign::{Outcome, Report};
use quorate_tests::scenarios::{
    CacheRounds, CrowdPart, EventualRounds, Kept, KillRounds, ManyClients, PowerLoss, PowerLossEnd, QueueRounds,
    QueueWorker, WatchRounds,
};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a real cluster under faults and checks every answer.
#[derive(Debug, Parser)]
#[command(name = "quorate-tests")]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Workloads play while one fault after the other happens; then every answer is held against the log.
    Run(RunOptions),
    /// Checks a journal of `run` again.
    Replay(ReplayOptions),
    /// Writes parts of a journal of `run` for the checkers of others.
    Export(ExportOptions),
    /// A member is killed with SIGKILL in every round.
    KillRounds(Options),
    /// A member, or all at once in a third of the rounds, loses power and with it what was not synced. Needs root.
    PowerLoss(Options),
    /// Bytes change on the disk of one member in every round.
    Corruption(cli::corruption::CorruptionOptions),
    /// Items go through workers, which are processes, while workers and leaders are killed with SIGKILL.
    QueueRounds(QueueOptions),
    /// Watchers follow while members are killed, paused, cut off and given snapshots, and history is compacted. Cutting
    /// members off needs root.
    WatchRounds(WatchOptions),
    /// Clients write to the eventual tier while members are killed, wiped, paused and cut off. Cutting members off needs root.
    EventualRounds(EventualOptions),
    /// Clients with caches read what others write while members are killed, paused, cut off and given snapshots. Cutting
    /// members off needs root.
    CacheRounds(CacheOptions),
    /// Clients by the thousand connect, write to both tiers, watch, and go, twice.
    ManyClients(CrowdOptions),
    /// Known bugs are put into the server, and each must be found; `make canaries` builds what it needs.
    Canaries(CanaryOptions),
    /// One member fails at one place after the other, in three ways; `make failpoints` builds what it needs.
    Failpoints(FailpointOptions),
    /// One thing that must hold, in the situation in which a known bug would break it.
    Promise(PromiseOptions),
    /// A part of the clients of `many-clients`.
    #[command(hide = true)]
    CrowdPart(CrowdPartOptions),
    /// A worker of `queue-rounds`.
    #[command(hide = true)]
    QueueWorker(WorkerOptions),
}

#[derive(Debug, Args)]
struct QueueOptions {
    /// Items that are pushed.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    items: u64,
    /// Workers at a time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
    workers: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct WatchOptions {
    /// Watchers at a time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..=1000))]
    watchers: u64,
    /// How long faults go on.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct CacheOptions {
    /// Clients at a time: a quarter without a cache, and a quarter of each coherence.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(4..=1000))]
    clients: u64,
    /// How long faults go on.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct CrowdOptions {
    /// Clients at once; a member needs two open files for each.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=30_000))]
    clients: u64,
}

#[derive(Debug, Args)]
struct CrowdPartOptions {
    /// Members of the cluster.
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    /// What the keys of its clients begin with.
    #[arg(long)]
    name: String,
    /// Its clients.
    #[arg(long)]
    clients: u64,
}

#[derive(Debug, Args)]
struct EventualOptions {
    /// Writers at a time.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=1000))]
    writers: u64,
    /// How long faults go on.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct WorkerOptions {
    /// Members of the cluster.
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    /// Where the items are.
    #[arg(long)]
    queue: String,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// Claims end with a session.
    #[arg(long)]
    session: bool,
}

/// How a run ended that did not fail.
enum End {
    Passed(String),
    Skipped(String),
}

#[derive(Debug, Args)]
struct Options {
    /// Faults.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rounds: u64,
    /// Concurrent clients.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let scenario = Cli::parse().scenario;
    // Whoever ends this program ends the run in order: servers are killed, disks unmounted, directories erased.
    let ended = tokio::select! {
        ended = run(scenario) => ended,
        signal = told_to_end() => {
            eprintln!("ended by {signal}");
            return ExitCode::FAILURE;
        }
    };
    match ended {
        Ok(End::Passed(report)) => {
            println!("passed: {report}");
            ExitCode::SUCCESS
        }
        Ok(End::Skipped(reason)) => {
            println!("skipped, which is no pass: {reason}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(scenario: Scenario) -> Result<End, HarnessError> {
    let progress = |line| println!("{line}");
    let seed = |options: &Options| options.seed.unwrap_or_else(rand::random);
    match scenario {
        Scenario::Run(options) => end(options.run().await?),
        Scenario::Replay(options) => end(options.run()?),
        Scenario::Export(options) => Ok(End::Passed(options.run()?)),
        Scenario::KillRounds(options) => {
            let scenario = KillRounds {
                rounds: options.rounds,
                clients: options.clients,
                seed: seed(&options),
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::PowerLoss(options) => {
            let scenario = PowerLoss {
                rounds: options.rounds,
                clients: options.clients,
                seed: seed(&options),
            };
            Ok(match scenario.run(progress).await? {
                PowerLossEnd::Passed(report) => End::Passed(report.to_string()),
                PowerLossEnd::Skipped(reason) => End::Skipped(reason),
            })
        }
        Scenario::Corruption(options) => Ok(End::Passed(options.run(progress).await?.to_string())),
        Scenario::QueueRounds(options) => {
            let program = std::env::current_exe().map_err(HarnessError::io("find this executable"))?;
            let scenario = QueueRounds {
                items: options.items,
                workers: options.workers,
                seed: options.seed.unwrap_or_else(rand::random),
                program,
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::WatchRounds(options) => {
            let scenario = WatchRounds {
                watchers: options.watchers,
                seconds: options.seconds,
                seed: options.seed.unwrap_or_else(rand::random),
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::EventualRounds(options) => {
            let scenario = EventualRounds {
                writers: options.writers,
                seconds: options.seconds,
                seed: options.seed.unwrap_or_else(rand::random),
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::CacheRounds(options) => {
            let scenario = CacheRounds {
                clients: options.clients,
                seconds: options.seconds,
                seed: options.seed.unwrap_or_else(rand::random),
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::ManyClients(options) => {
            let scenario = ManyClients {
                clients: options.clients,
                program: std::env::current_exe().map_err(HarnessError::io("find this executable"))?,
            };
            Ok(End::Passed(scenario.run(progress).await?.to_string()))
        }
        Scenario::Canaries(options) => Ok(End::Passed(options.run().await?.to_string())),
        Scenario::Failpoints(options) => Ok(End::Passed(options.run().await?.to_string())),
        Scenario::Promise(options) => Ok(match options.run().await? {
            Kept::Kept(seen) => End::Passed(seen),
            Kept::Skipped(reason) => End::Skipped(reason),
        }),
        Scenario::CrowdPart(options) => {
            let part = CrowdPart {
                endpoints: options.endpoints,
                name: options.name,
                clients: options.clients,
            };
            part.run().await?;
            Ok(End::Passed("a part has ended".to_owned()))
        }
        Scenario::QueueWorker(options) => {
            end_with_stdin()?;
            let worker = QueueWorker {
                endpoints: options.endpoints,
                queue: options.queue,
                name: options.name,
                session: options.session,
            };
            worker.work().await?;
            Ok(End::Skipped("the worker has ended".to_owned()))
        }
    }
}

fn end(report: Report) -> Result<End, HarnessError> {
    let text = format!("\n{report}");
    match report.outcome() {
        Outcome::Passed => Ok(End::Passed(text)),
        Outcome::NotCounted => Ok(End::Skipped(text)),
        Outcome::Failed => Err(HarnessError::Broken(text)),
    }
}

/// Whoever started this process holds the other end; when that dies, however it dies, the pipe ends.
fn end_with_stdin() -> Result<(), HarnessError> {
    let watch = || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().lock().read(&mut ignored), Ok(read) if read > 0) {}
        std::process::exit(0);
    };
    let started = std::thread::Builder::new().spawn(watch);
    started.map(drop).map_err(HarnessError::io("start a thread"))
}

async fn told_to_end() -> &'static str {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
