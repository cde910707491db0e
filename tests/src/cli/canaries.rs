//! `quorate-tests canaries`, `quorate-tests failpoints` and `quorate-tests promise`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use quorate_node::canary::Canary;
use quorate_node::failpoints::POINTS;
use quorate_tests::HarnessError;
use quorate_tests::scenarios::{Canaries, CanaryReport, FailpointReport, Failpoints, Kept, Promise};

/// Which bugs are looked for, and how long.
#[derive(Debug, Args)]
pub struct CanaryOptions {
    /// Look for this one alone; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Canary::ALL.map(Canary::name)))]
    only: Vec<String>,
    /// How long each is looked for.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// The server that was built with the feature; `quorate-broken` beside this program when absent.
    #[arg(long, value_name = "FILE")]
    broken: Option<PathBuf>,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

/// At which places members fail.
#[derive(Debug, Args)]
pub struct FailpointOptions {
    /// This place alone; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(POINTS.iter().map(|point| point.name)))]
    only: Vec<String>,
    /// Concurrent clients.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// The server that was built with the feature; `quorate-broken` beside this program when absent.
    #[arg(long, value_name = "FILE")]
    broken: Option<PathBuf>,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
}

/// Which promise is put to the test.
#[derive(Debug, Args)]
pub struct PromiseOptions {
    /// One of them.
    #[arg(value_parser = PossibleValuesParser::new(Promise::ALL.map(Promise::name)))]
    name: String,
}

impl CanaryOptions {
    /// Looks for them.
    pub async fn run(self) -> Result<CanaryReport, HarnessError> {
        let program = std::env::current_exe().map_err(HarnessError::io("find this executable"))?;
        let broken = self.broken.unwrap_or_else(|| program.with_file_name("quorate-broken"));
        let seed = self.seed.unwrap_or_else(rand::random);
        println!("canaries: {} minutes each, seed {seed}", self.minutes);
        let canaries = Canaries {
            only: self.only.iter().filter_map(|name| Canary::named(name)).collect(),
            deadline: Duration::from_secs(60 * self.minutes),
            broken,
            program,
            seed,
        };
        canaries.run(|line| println!("{line}")).await
    }
}

impl FailpointOptions {
    /// Tries them.
    pub async fn run(self) -> Result<FailpointReport, HarnessError> {
        let program = std::env::current_exe().map_err(HarnessError::io("find this executable"))?;
        let seed = self.seed.unwrap_or_else(rand::random);
        println!("failpoints: {} clients, seed {seed}", self.clients);
        let failpoints = Failpoints {
            only: self.only,
            clients: self.clients,
            broken: self.broken.unwrap_or_else(|| program.with_file_name("quorate-broken")),
            seed,
        };
        failpoints.run(|line| println!("{line}")).await
    }
}

impl PromiseOptions {
    /// Puts it to the test.
    pub async fn run(self) -> Result<Kept, HarnessError> {
        let named = Promise::named(&self.name);
        let promise = named.ok_or_else(|| HarnessError::Broken(format!("there is no promise {:?}", self.name)))?;
        promise.hold().await
    }
}
