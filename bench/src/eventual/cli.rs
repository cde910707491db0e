//! Command line of what is measured of the eventual tier.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::batch::{BatchLoad, Way};
use super::partition::Partition;
use super::resolve::ResolveLoad;
use super::store::StoreLoad;
use crate::cpu::Process;

/// What is measured of the eventual tier.
#[derive(Debug, Subcommand)]
pub enum EventualCommand {
    /// Writes in requests of many, and how far the other members are behind; Quorate only.
    EventualBatch(BatchArgs),
    /// What it costs the others when a member cannot be reached, and how long it takes to be even again; starts three
    /// members of its own.
    EventualPartition(PartitionArgs),
    /// Writes and reads of the store alone, and bytes an entry; in this process.
    EventualStore(StoreArgs),
    /// Conflicts that one thread resolves in a second, by strategy; in this process.
    EventualResolve(ResolveArgs),
}

/// See [`BatchLoad`].
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// Members, separated by commas; all writes go to the first.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// How requests are made.
    #[arg(long, value_enum, default_value = "stream")]
    way: Way,
    /// Connections.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Writes of one request.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=4096))]
    writes_per_request: u16,
    /// Requests under way on one connection.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    value_bytes: u32,
    /// Keys.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    keys: u64,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds before that.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=600))]
    warmup_seconds: u64,
    /// A server whose CPU time is measured; may be given several times.
    #[arg(long = "pid", value_name = "PID:ROLE")]
    servers: Vec<Process>,
}

impl EventualCommand {
    /// Does what was asked and returns what to print.
    pub async fn run(self) -> Result<String, String> {
        match self {
            EventualCommand::EventualBatch(args) => line(&args.load().run().await?),
            EventualCommand::EventualPartition(args) => line(&args.partition()?.run().await?),
            EventualCommand::EventualResolve(args) => line(&args.load().run()?),
            EventualCommand::EventualStore(args) => line(&args.store().run()?),
        }
    }
}

impl BatchArgs {
    fn load(self) -> BatchLoad {
        BatchLoad {
            endpoints: self.endpoints,
            way: self.way,
            connections: self.connections.into(),
            per_request: self.writes_per_request.into(),
            in_flight: self.in_flight.into(),
            value_bytes: self.value_bytes as usize,
            keys: self.keys,
            window: Duration::from_secs(self.seconds),
            warmup: Duration::from_secs(self.warmup_seconds),
            servers: self.servers,
        }
    }
}

/// See [`Partition`].
#[derive(Debug, Args)]
pub struct PartitionArgs {
    /// Writes while the member cannot be reached.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    writes: u64,
    /// Keys.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    value_bytes: u32,
    /// The program that is measured [default: `quorate` beside this one].
    #[arg(long, value_name = "FILE")]
    quorate: Option<std::path::PathBuf>,
    /// Where data goes: a directory on a real disk [default: the temporary one].
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<std::path::PathBuf>,
}

/// See [`StoreLoad`].
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Threads that write, and then read.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<u16>,
    /// Keys that are written and read.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Entries whose memory is measured.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    entries: u32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    value_bytes: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// See [`ResolveLoad`].
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Seconds of each strategy.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

impl ResolveArgs {
    fn load(&self) -> ResolveLoad {
        ResolveLoad {
            window: Duration::from_secs(self.seconds),
        }
    }
}

impl PartitionArgs {
    fn partition(self) -> Result<Partition, String> {
        let beside = || {
            let this = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
            Ok::<_, String>(this.with_file_name("quorate"))
        };
        Ok(Partition {
            writes: self.writes,
            keys: self.keys,
            value_bytes: self.value_bytes as usize,
            quorate: self.quorate.map_or_else(beside, Ok)?,
            directory: self.directory.unwrap_or_else(std::env::temp_dir),
        })
    }
}

impl StoreArgs {
    fn store(self) -> StoreLoad {
        StoreLoad {
            threads: self.threads.into_iter().map(usize::from).collect(),
            keys: self.keys as usize,
            entries: self.entries as usize,
            value_bytes: self.value_bytes as usize,
            window: Duration::from_secs(self.seconds),
        }
    }
}

fn line(report: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(report).map_err(|error| error.to_string())
}
