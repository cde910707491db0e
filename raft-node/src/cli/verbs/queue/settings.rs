//! Makes, changes and deletes queues.

use std::time::Duration;

use clap::Args;
use quorate::QueueConfig;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What a queue is to promise.
#[derive(Args, Debug)]
pub struct CreateArguments {
    /// Its name
    queue: String,
    /// How long a claim lasts
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    visibility: Duration,
    /// Claims after which an item that comes back is a dead letter
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Items it may hold
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    depth: u64,
    /// Items that may be claimed at a time; 0: no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    claimed: u64,
    /// Items of one group that may be claimed at a time; 0: no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    group_claimed: u64,
    /// How long a dedupe key is remembered
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    dedupe_window: Duration,
    /// Leave a queue that is there as it is
    #[arg(long)]
    if_missing: bool,
}

pub(super) async fn create(arguments: CreateArguments, global: &Global) -> Result<Exit, Failure> {
    let queue = global.connect().await?.queue(arguments.queue);
    let config = QueueConfig::default()
        .visibility(arguments.visibility)
        .attempts_max(arguments.attempts)
        .depth_max(arguments.depth)
        .claimed_max(arguments.claimed)
        .group_claimed_max(arguments.group_claimed)
        .dedupe_window(arguments.dedupe_window);
    let new = match arguments.if_missing {
        true => queue.create_if_missing(config).await?,
        false => queue.create(config).await?,
    };
    let text = || match (new, arguments.if_missing) {
        (true, _) => format!("made queue {}", queue.name()),
        (false, true) => format!("queue {} was there already, and is as it was", queue.name()),
        (false, false) => format!(
            "queue {} was there already, and has this configuration now",
            queue.name()
        ),
    };
    global
        .output
        .show(&json!({ "queue": queue.name(), "new": new }), text)?;
    Ok(Exit::Success)
}

pub(super) async fn delete(queue: &str, global: &Global) -> Result<Exit, Failure> {
    global.connect().await?.queue(queue).delete().await?;
    global.output.show(&json!({ "queue": queue, "deleted": true }), || {
        format!("deleted queue {queue}")
    })?;
    Ok(Exit::Success)
}

pub(super) async fn set_paused(queue: &str, paused: bool, global: &Global) -> Result<Exit, Failure> {
    let handle = global.connect().await?.queue(queue);
    let changed = match paused {
        true => handle.pause().await?,
        false => handle.resume().await?,
    };
    let json = json!({ "queue": queue, "paused": paused, "changed": changed });
    global.output.show(&json, || {
        let already = if changed { "" } else { " already" };
        let state = if paused { "paused" } else { "not paused" };
        format!("queue {queue} is{already} {state}")
    })?;
    Ok(Exit::Success)
}
