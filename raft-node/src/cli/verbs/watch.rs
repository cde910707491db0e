//! `quorate watch`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use quorate::{ErrorKind, Keys, OpenWatch, Watch, WatchBatch, WatchItem, Watched};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::events;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, Format};
use crate::cli::verbs::server::stop_signal;

/// What to watch.
#[derive(Args, Debug)]
pub struct WatchArguments {
    /// Which keys, or with --locks and its like which names: * stands for anything between two slashes, ** for anything
    pattern: OsString,
    /// Everything that starts with PATTERN, which is no pattern then; empty: everything
    #[arg(long)]
    prefix: bool,
    /// Start with this revision; without it, with what is written from now on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rev: Option<u64>,
    /// The domain of the keys
    #[arg(long, conflicts_with = "space")]
    domain: Option<String>,
    /// Show the record before, too
    #[arg(long)]
    previous: bool,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Leave out deletes and expiries
    #[arg(long)]
    puts_only: bool,
    /// Leave out puts
    #[arg(long, conflicts_with = "puts_only")]
    deletes_only: bool,
    /// What is watched instead of keys.
    #[command(flatten)]
    space: SpaceArguments,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Keys and values are shown in hexadecimal; with --prefix, PATTERN is hexadecimal
    #[arg(long)]
    hex: bool,
}

/// What is watched instead of keys: at most one.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "space", multiple = false)]
struct SpaceArguments {
    /// Locks, semaphores and elections, by name
    #[arg(long)]
    locks: bool,
    /// Queues and their items, by the name of the queue
    #[arg(long)]
    queues: bool,
    /// Leases, by id
    #[arg(long)]
    leases: bool,
    /// Workers, by name
    #[arg(long)]
    workers: bool,
    /// Assignments, by the name of the task
    #[arg(long)]
    tasks: bool,
}

impl SpaceArguments {
    fn watched(self, keys: Keys) -> Watched {
        if self.locks {
            Watched::locks(keys)
        } else if self.queues {
            Watched::queues(keys)
        } else if self.leases {
            Watched::leases(keys)
        } else if self.workers {
            Watched::workers(keys)
        } else if self.tasks {
            Watched::tasks(keys)
        } else {
            Watched::keys(keys)
        }
    }
}

/// Why no more is shown.
enum Ended {
    Enough,
    Failed(quorate::Error),
}

/// Shows what happens until it is told to stop; being told by a signal is a success.
pub async fn run(arguments: WatchArguments, global: &Global) -> Result<Exit, Failure> {
    let keys = keys(&arguments)?;
    // It ends the watch also while no member has answered yet.
    let stop = stop_signal()?;
    let watching = async {
        let client = global.connect().await?;
        let watch = configure(client.watch(arguments.space.watched(keys)), &arguments);
        let watch = watch.await.map_err(failure)?;
        if global.output == Format::Table {
            eprintln!("watching from revision {}", watch.position() + 1);
        }
        let showing = show(watch, &arguments, global.output);
        match arguments.duration {
            Some(duration) => tokio::time::timeout(duration, showing)
                .await
                .unwrap_or(Ok(Ended::Enough)),
            None => showing.await,
        }
    };
    tokio::select! {
        ended = watching => match ended? {
            Ended::Enough => Ok(Exit::Success),
            Ended::Failed(error) => Err(failure(error)),
        },
        () = stop => Ok(Exit::Success),
    }
}

fn keys(arguments: &WatchArguments) -> Result<Keys, Failure> {
    let pattern = arguments.pattern.clone();
    if arguments.prefix {
        return bytes::argument(pattern, arguments.hex).map(Keys::prefix);
    }
    let pattern = pattern.into_string();
    pattern
        .map(Keys::pattern)
        .map_err(|_| Failure::usage("a pattern must be UTF-8"))
}

fn configure(watch: OpenWatch, arguments: &WatchArguments) -> OpenWatch {
    let mut watch = watch.previous(arguments.previous).keys_only(arguments.keys_only);
    if let Some(revision) = arguments.rev {
        watch = watch.from(revision);
    }
    if let Some(domain) = &arguments.domain {
        watch = watch.domain(domain);
    }
    if arguments.puts_only {
        watch = watch.puts_only();
    }
    if arguments.deletes_only {
        watch = watch.deletes_only();
    }
    watch
}

async fn show(mut watch: Watch, arguments: &WatchArguments, format: Format) -> Result<Ended, Failure> {
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while let Some(item) = watch.next().await {
        let batch = match item {
            Ok(WatchItem::Events(batch)) => batch,
            Ok(_) => continue,
            Err(error) => return Ok(Ended::Failed(error)),
        };
        for line in lines(&batch, arguments.hex, format) {
            // Nobody reads any more: `| head` has seen enough.
            if !output::write_line(&line)? {
                return Ok(Ended::Enough);
            }
            left -= 1;
            if left == 0 {
                return Ok(Ended::Enough);
            }
        }
    }
    Ok(Ended::Enough)
}

fn lines(batch: &WatchBatch, hex: bool, format: Format) -> Vec<String> {
    match format {
        Format::Table => events::lines(batch, hex).collect(),
        Format::Json => events::objects(batch, hex).map(|object| object.to_string()).collect(),
    }
}

/// Says what to do where something can be done.
fn failure(error: quorate::Error) -> Failure {
    let compacted = match error.kind() {
        ErrorKind::Compacted { boundary } => Some(*boundary),
        _ => None,
    };
    let mut failure = Failure::from(error);
    if let Some(boundary) = compacted {
        failure.message += &format!("; read what is there now (quorate range), and watch with --rev {boundary}");
    }
    failure
}
