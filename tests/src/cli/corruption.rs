//! `corruption`.

use clap::Args;
use quorate_tests::HarnessError;
use quorate_tests::scenarios::{Corruption, CorruptionReport};

#[derive(Debug, Args)]
pub struct CorruptionOptions {
    /// Damages.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rounds: u64,
    /// Concurrent clients.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

impl CorruptionOptions {
    pub async fn run(self, progress: impl FnMut(String)) -> Result<CorruptionReport, HarnessError> {
        let scenario = Corruption {
            rounds: self.rounds,
            clients: self.clients,
            seed: self.seed.unwrap_or_else(rand::random),
        };
        scenario.run(progress).await
    }
}
