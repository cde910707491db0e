//! The long runs: the same scenarios as in the tests, for as many rounds as there is time.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use quorate_tests::scenarios::{KillRounds, PowerLoss, PowerLossEnd};

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
    let progress = |line| println!("{line}");
    let seed = |options: &Options| options.seed.unwrap_or_else(rand::random);
    let ended = match Cli::parse().scenario {
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
