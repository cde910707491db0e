//! Command line: one subcommand a kind of measurement, one line of JSON as the answer.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::cached::{CachedLoad, CachedWay};
use crate::cost::cli::CostArgs;
use crate::cpu::Process;
use crate::eventual::cli::EventualCommand;
use crate::failover::Failover;
use crate::floor::Floor;
use crate::growth::cli::GrowthCommand;
use crate::leases::Leases;
use crate::load::Load;
use crate::open::Pace;
use crate::scale::Scale;
use crate::target::System;
use crate::watch::WatchLoad;
use crate::watchers::IdleWatchers;
use crate::work::Op;

/// Between two questions for the leader.
const LEADER_POLL: Duration = Duration::from_millis(50);

/// Measures Quorate, and etcd and Redis beside it.
#[derive(Debug, Parser)]
#[command(name = "quorate-bench", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Throughput and latency of one operation, in a closed loop or, with `--rate`, in an open one.
    Load(LoadArgs),
    /// The longest pause of writes when the leader is killed.
    Failover(FailoverArgs),
    /// What it costs to keep many leases alive; Quorate only.
    Leases(LeasesArgs),
    /// Events to watchers, and how long they take from their put.
    Watch(WatchArgs),
    /// What many watchers cost that nothing happens to; Quorate only.
    Watchers(WatchersArgs),
    /// Reads that the SDK's cache answers, and what its entries occupy; Quorate only.
    Cached(CachedArgs),
    /// What an operation costs the state machine when there is little or much else; in this process.
    Scale(ScaleArgs),
    /// A fixed piece of work, whose instructions `bench/check-cost` counts.
    Cost(CostArgs),
    #[command(flatten)]
    Growth(GrowthCommand),
    #[command(flatten)]
    Eventual(EventualCommand),
    /// What no store on this machine gets below: a sync, an empty gRPC call, a copy; in this process.
    Floor(FloorArgs),
    /// Waits until there is a leader and prints its endpoint.
    Leader(LeaderArgs),
}

#[derive(Debug, Args)]
struct Members {
    /// The system to talk to.
    #[arg(long, value_enum)]
    target: System,
    /// Its members, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
}

#[derive(Debug, Args)]
struct LoadArgs {
    #[command(flatten)]
    members: Members,
    /// What every client does.
    #[arg(long, value_enum)]
    op: Op,
    /// Clients, each with one call at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,
    /// Calls a second that begin when it is their time, whether earlier ones have been answered or not: an open loop. Puts and
    /// gets only.
    #[arg(long, conflicts_with = "clients", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Milliseconds without an answer, while calls wait, that count as a stall of an open loop.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    stall_ms: u64,
    /// A directory on the disk of the servers: in an open loop, a sector of it is synced every 10 ms, to tell how long that disk
    /// stood still.
    #[arg(long, value_name = "DIRECTORY", requires = "rate")]
    probe_disk: Option<PathBuf>,
    /// Connections that they share.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    value_bytes: u32,
    /// Keys.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// All keys exist; otherwise a run of reads writes each once before it begins.
    #[arg(long)]
    filled: bool,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds before that.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=600))]
    warmup_seconds: u64,
    /// A server whose CPU time is measured; may be given several times.
    #[arg(long = "pid", value_name = "PID:ROLE")]
    servers: Vec<Process>,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FailoverArgs {
    #[command(flatten)]
    members: Members,
    /// Process id of the leader, which gets SIGKILL.
    #[arg(long)]
    leader_pid: u32,
    /// Milliseconds between the starts of two puts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    interval_ms: u64,
    /// Seconds of puts before the kill.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    before_seconds: u64,
    /// Seconds of puts after the kill.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    after_seconds: u64,
}

#[derive(Debug, Args)]
struct LeasesArgs {
    /// Members, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// Leases that live.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    leases: u32,
    /// Their time to live, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(500..=86_400_000))]
    ttl_ms: u64,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// A server whose CPU time is measured; may be given several times.
    #[arg(long = "pid", value_name = "PID:ROLE")]
    servers: Vec<Process>,
}

#[derive(Debug, Args)]
struct WatchArgs {
    #[command(flatten)]
    members: Members,
    /// Writers, each with one put at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    writers: u16,
    /// Watchers of all that is written.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    watchers: u16,
    /// Connections that the watchers share.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=1_048_576))]
    value_bytes: u32,
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

#[derive(Debug, Args)]
struct WatchersArgs {
    /// Members, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// Watchers, all at the first of the members.
    #[arg(long, default_value_t = 9_990, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    watchers: u32,
    /// Connections that they share.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Process id of the first member.
    #[arg(long)]
    pid: u32,
    /// Rounds, in each of which puts are measured without and with them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

#[derive(Debug, Args)]
struct CachedArgs {
    /// Members, separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// How the cache is asked, or what is measured of it.
    #[arg(long, value_enum, default_value = "look-up")]
    way: CachedWay,
    /// Keys, all of which are cached.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=126_976))]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=4_096))]
    value_bytes: u32,
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

#[derive(Debug, Args)]
struct FloorArgs {
    /// Where files are written and synced [default: the temporary directory].
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Seconds that each of the six measurements takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ScaleArgs {
    /// Rounds, in which all sizes take turns; one more comes before them and does not count.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Measured operations of a round, for each size.
    #[arg(long, default_value_t = 6_400, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    operations: u32,
    /// Where data goes: a directory on a real disk [default: the temporary one].
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// One line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct LeaderArgs {
    #[command(flatten)]
    members: Members,
    /// Seconds to wait for one.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=600))]
    timeout_seconds: u64,
}

impl Cli {
    /// Does what was asked and returns what to print.
    pub async fn run(self) -> Result<String, String> {
        match self.command {
            Command::Load(args) => load(args).await,
            Command::Failover(args) => failover(args).await,
            Command::Leases(args) => leases(args).await,
            Command::Watch(args) => watch(args).await,
            Command::Watchers(args) => watchers(args).await,
            Command::Cached(args) => cached(args).await,
            Command::Scale(args) => scale(args).await,
            Command::Cost(args) => args.run().await,
            Command::Growth(command) => command.run().await,
            Command::Eventual(command) => command.run().await,
            Command::Floor(args) => floor(args).await,
            Command::Leader(args) => leader(&args).await,
        }
    }
}

async fn load(args: LoadArgs) -> Result<String, String> {
    if args.rate.is_some() && !matches!(args.op, Op::Put | Op::Get | Op::EventualPut) {
        return Err(format!(
            "--rate: {} is measured in a closed loop only; an open one takes put, get or eventual-put",
            args.op.name()
        ));
    }
    let pace = args.rate.map(|rate| Pace {
        rate,
        stall: Duration::from_millis(args.stall_ms),
        probed: args.probe_disk,
    });
    let load = Load {
        system: args.members.target,
        endpoints: args.members.endpoints,
        op: args.op,
        clients: if pace.is_some() { args.connections } else { args.clients }.into(),
        pace,
        connections: args.connections.into(),
        value_bytes: args.value_bytes as usize,
        keys: args.keys,
        filled: args.filled,
        window: Duration::from_secs(args.seconds),
        warmup: Duration::from_secs(args.warmup_seconds),
        servers: args.servers,
    };
    let report = load.run().await?;
    match args.json {
        true => serde_json::to_string(&report).map_err(|error| error.to_string()),
        false => Ok(report.text()),
    }
}

async fn failover(args: FailoverArgs) -> Result<String, String> {
    let failover = Failover {
        system: args.members.target,
        endpoints: args.members.endpoints,
        leader_pid: args.leader_pid,
        interval: Duration::from_millis(args.interval_ms),
        before: Duration::from_secs(args.before_seconds),
        after: Duration::from_secs(args.after_seconds),
    };
    let report = failover.run().await?;
    serde_json::to_string(&report).map_err(|error| error.to_string())
}

async fn leases(args: LeasesArgs) -> Result<String, String> {
    let leases = Leases {
        endpoints: args.endpoints,
        leases: args.leases as usize,
        ttl: Duration::from_millis(args.ttl_ms),
        window: Duration::from_secs(args.seconds),
        servers: args.servers,
    };
    let report = leases.run().await?;
    serde_json::to_string(&report).map_err(|error| error.to_string())
}

async fn watch(args: WatchArgs) -> Result<String, String> {
    let load = WatchLoad {
        system: args.members.target,
        endpoints: args.members.endpoints,
        writers: args.writers.into(),
        watchers: args.watchers.into(),
        connections: args.connections.into(),
        value_bytes: args.value_bytes as usize,
        window: Duration::from_secs(args.seconds),
        warmup: Duration::from_secs(args.warmup_seconds),
        servers: args.servers,
    };
    let report = load.run().await?;
    serde_json::to_string(&report).map_err(|error| error.to_string())
}

async fn watchers(args: WatchersArgs) -> Result<String, String> {
    let idle = IdleWatchers {
        endpoints: args.endpoints,
        watchers: args.watchers as usize,
        connections: args.connections.into(),
        pid: args.pid,
        rounds: args.rounds,
        window: Duration::from_secs(args.seconds),
    };
    let report = idle.run().await?;
    serde_json::to_string(&report).map_err(|error| error.to_string())
}

async fn cached(args: CachedArgs) -> Result<String, String> {
    let load = CachedLoad {
        endpoints: args.endpoints,
        way: args.way,
        keys: args.keys,
        value_bytes: args.value_bytes as usize,
        window: Duration::from_secs(args.seconds),
        warmup: Duration::from_secs(args.warmup_seconds),
        servers: args.servers,
    };
    let report = load.run().await?;
    serde_json::to_string(&report).map_err(|error| error.to_string())
}

async fn floor(args: FloorArgs) -> Result<String, String> {
    let floor = Floor {
        directory: args.directory.unwrap_or_else(std::env::temp_dir),
        window: Duration::from_secs(args.seconds),
    };
    let report = floor.run().await?;
    match args.json {
        true => serde_json::to_string(&report).map_err(|error| error.to_string()),
        false => Ok(report.text()),
    }
}

async fn scale(args: ScaleArgs) -> Result<String, String> {
    let scale = Scale {
        rounds: args.rounds,
        operations: args.operations,
        directory: args.directory.unwrap_or_else(std::env::temp_dir),
    };
    let measured = tokio::task::spawn_blocking(move || scale.run()).await;
    let report = measured.map_err(|error| format!("the measurement stopped: {error}"))??;
    match args.json {
        true => serde_json::to_string(&report).map_err(|error| error.to_string()),
        false => Ok(report.text()),
    }
}

async fn leader(args: &LeaderArgs) -> Result<String, String> {
    let Members { target, endpoints } = &args.members;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(args.timeout_seconds);
    loop {
        match target.leader(endpoints).await {
            Ok(leader) => return Ok(leader),
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(LEADER_POLL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name() {
        let line = "quorate-bench load --target etcd --endpoints a:1 --op put --clients 0";
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
        assert!(error.contains("--clients") && error.contains("1..=4096"), "{error}");
    }
}
