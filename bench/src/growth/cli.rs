//! Command line of filling, serving again and plotting.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::fill::Fill;
use super::plot::Plot;
use super::served::{ReadKind, Served};
use crate::target::System;

/// What is done with many keys.
#[derive(Debug, Subcommand)]
pub enum GrowthCommand {
    /// Writes every key once.
    Fill(FillArgs),
    /// Waits until a member serves a read.
    Served(ServedArgs),
    /// Draws what `bench/grow` has measured.
    Plot(PlotArgs),
}

/// See [`Fill`].
#[derive(Debug, Args)]
pub struct FillArgs {
    /// The system to talk to.
    #[arg(long, value_enum)]
    target: System,
    /// Its members, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// Keys.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    value_bytes: u32,
    /// Clients, each with one call at a time.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,
    /// Connections that they share.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
}

/// See [`Served`].
#[derive(Debug, Args)]
pub struct ServedArgs {
    /// The system to talk to.
    #[arg(long, value_enum)]
    target: System,
    /// The member.
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: String,
    /// What the read promises.
    #[arg(long, value_enum)]
    read: ReadKind,
    /// Number of the key that is read; it must have been written.
    #[arg(long, default_value_t = 0)]
    key: u64,
    /// Seconds after which it gives up.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64,
}

/// See [`Plot`].
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// What `bench/grow` wrote.
    #[arg(long, value_name = "FILE")]
    json: std::path::PathBuf,
    /// Where the plots go; it must exist.
    #[arg(long, value_name = "DIRECTORY")]
    directory: std::path::PathBuf,
}

impl GrowthCommand {
    /// Does what was asked and returns what to print.
    pub async fn run(self) -> Result<String, String> {
        match self {
            GrowthCommand::Fill(args) => line(&args.fill().run().await?),
            GrowthCommand::Served(args) => line(&args.served().run().await?),
            GrowthCommand::Plot(args) => line(&args.plot().run()?),
        }
    }
}

impl FillArgs {
    fn fill(self) -> Fill {
        Fill {
            system: self.target,
            endpoints: self.endpoints,
            keys: self.keys,
            value_bytes: self.value_bytes as usize,
            clients: self.clients.into(),
            connections: self.connections.into(),
        }
    }
}

impl ServedArgs {
    fn served(self) -> Served {
        Served {
            system: self.target,
            endpoint: self.endpoint,
            read: self.read,
            key: self.key,
            timeout: Duration::from_secs(self.timeout_seconds),
        }
    }
}

impl PlotArgs {
    fn plot(self) -> Plot {
        Plot {
            json: self.json,
            directory: self.directory,
        }
    }
}

fn line(report: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(report).map_err(|error| error.to_string())
}
