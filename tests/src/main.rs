//! The long runs: the same scenarios as in the tests, for as many rounds as there is time.

#![allow(
    clippy::disallowed_methods,
    reason = "the runs take real time and draw their own seeds; nothing here is replicated"
)]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use quorate_tests::HarnessError;
use quorate_tests::scenarios::{KillRounds, PowerLoss, PowerLossEnd};
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
    /// A member is killed with SIGKILL in every round.
    KillRounds(Options),
    /// A member, or all at once in a third of the rounds, loses power and with it what was not synced. Needs root.
    PowerLoss(Options),
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
        Ok(PowerLossEnd::Passed(report)) => {
            println!("passed: {report}");
            ExitCode::SUCCESS
        }
        Ok(PowerLossEnd::Skipped(reason)) => {
            println!("skipped, which is no pass: {reason}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(scenario: Scenario) -> Result<PowerLossEnd, HarnessError> {
    let progress = |line| println!("{line}");
    let seed = |options: &Options| options.seed.unwrap_or_else(rand::random);
    match scenario {
        Scenario::KillRounds(options) => {
            let scenario = KillRounds {
                rounds: options.rounds,
                clients: options.clients,
                seed: seed(&options),
            };
            scenario.run(progress).await.map(PowerLossEnd::Passed)
        }
        Scenario::PowerLoss(options) => {
            let scenario = PowerLoss {
                rounds: options.rounds,
                clients: options.clients,
                seed: seed(&options),
            };
            scenario.run(progress).await
        }
    }
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
