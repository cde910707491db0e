//! Changes and drops domains.

use std::time::Duration;

use clap::Args;
use quorate::{Consistency, Strategy};
use serde_json::json;

use super::look;
use super::words::{self, Evict, Policy};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// Which domain, and what becomes different.
#[derive(Args, Debug)]
pub struct ChangeArguments {
    /// Which
    domain: String,
    /// What becomes different.
    #[command(flatten)]
    settings: Settings,
}

/// At least one of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Settings {
    /// What its keys, values and tags may take together; 0: no limit
    #[arg(long, value_name = "BYTES", value_parser = words::bytes)]
    bytes_max: Option<u64>,
    /// How many entries it may hold; 0: no limit; eventual tier only
    #[arg(long, value_name = "NUMBER")]
    entries_max: Option<u64>,
    /// How concurrent values become one: last-write, union, merge, max, min or siblings; eventual tier only
    #[arg(long, value_parser = words::strategy)]
    strategy: Option<Strategy>,
    /// Life of a key that is written without saying how long it lives; 0s: for ever
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl_default: Option<Duration>,
    /// Whether writes that would stay for ever are refused
    #[arg(long, value_name = "true|false")]
    ttl_required: Option<bool>,
    /// What happens when it is full; eventual tier only
    #[arg(long, value_enum)]
    evict: Option<Evict>,
    /// What goes first
    #[arg(long, value_enum)]
    policy: Option<Policy>,
    /// What reads promise that do not say it: strong, local, or how old an answer may be; strong tier only
    #[arg(long, value_parser = words::level)]
    level: Option<Consistency>,
    /// Whether writes wait for coherent caches; strong tier only
    #[arg(long, value_name = "true|false")]
    coherent: Option<bool>,
}

pub(super) async fn change(arguments: ChangeArguments, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let mut change = client.domains().change(arguments.domain);
    let settings = arguments.settings;
    if let Some(bytes) = settings.bytes_max {
        change = change.bytes_max(bytes);
    }
    if let Some(entries) = settings.entries_max {
        change = change.entries_max(entries);
    }
    if let Some(strategy) = settings.strategy {
        change = change.strategy(strategy);
    }
    if let Some(ttl) = settings.ttl_default {
        change = change.ttl_default(ttl);
    }
    if let Some(required) = settings.ttl_required {
        change = change.ttl_required(required);
    }
    if let Some(evict) = settings.evict {
        change = change.evict(evict.of_domain());
    }
    if let Some(policy) = settings.policy {
        change = change.policy(policy.of_domain());
    }
    if let Some(level) = settings.level {
        change = change.consistency(level);
    }
    if let Some(coherent) = settings.coherent {
        change = change.coherent(coherent);
    }
    look::show(&change.await?, global)?;
    Ok(Exit::Success)
}

pub(super) async fn drop(domain: &str, global: &Global) -> Result<Exit, Failure> {
    let dropped = global.connect().await?.domains().drop(domain).await?;
    let json = json!({ "domain": dropped.name, "tier": dropped.tier.to_string(), "dropped": true });
    global.output.show(&json, || {
        format!("dropped the {} domain {}", dropped.tier, dropped.name)
    })?;
    Ok(Exit::Success)
}
