//! Makes domains.

use std::time::Duration;

use clap::Args;
use quorate::{Consistency, Strategy};

use super::look;
use super::words::{self, Evict, Policy, Tier};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What a domain is to be.
#[derive(Args, Debug)]
pub struct CreateArguments {
    /// Its name: 1 to 128 of a-z, 0-9, '.', '_' and '-'
    domain: String,
    /// Where its keys live, for ever
    #[arg(long, value_enum, default_value = "strong")]
    tier: Tier,
    /// It is never on disk, for ever; eventual tier only
    #[arg(long)]
    volatile: bool,
    /// What its keys, values and tags may take together; 0: no limit
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = words::bytes)]
    bytes_max: u64,
    /// How many entries it may hold; 0: no limit; eventual tier only
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    entries_max: u64,
    /// How concurrent values become one: last-write, union, merge, max, min or siblings; eventual tier only
    #[arg(long, value_parser = words::strategy)]
    strategy: Option<Strategy>,
    /// Life of a key that is written without saying how long it lives
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl_default: Option<Duration>,
    /// Refuse writes that would stay for ever
    #[arg(long)]
    ttl_required: bool,
    /// What happens when it is full; eventual tier only
    #[arg(long, value_enum)]
    evict: Option<Evict>,
    /// What goes first; without it lru
    #[arg(long, value_enum, requires = "evict")]
    policy: Option<Policy>,
    /// What reads promise that do not say it: strong, local, or how old an answer may be; strong tier only
    #[arg(long, value_parser = words::level)]
    level: Option<Consistency>,
    /// Answer a write only when no coherent cache can answer with what was there before it; strong tier only
    #[arg(long)]
    coherent: bool,
}

pub(super) async fn create(arguments: CreateArguments, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let mut create = client
        .domains()
        .create(arguments.domain, arguments.tier.of_domain())
        .bytes_max(arguments.bytes_max)
        .entries_max(arguments.entries_max)
        .ttl_default(arguments.ttl_default.unwrap_or_default())
        .coherent(arguments.coherent);
    if arguments.volatile {
        create = create.volatile();
    }
    if arguments.ttl_required {
        create = create.ttl_required();
    }
    if let Some(strategy) = arguments.strategy {
        create = create.strategy(strategy);
    }
    if let Some(evict) = arguments.evict {
        let policy = arguments.policy.map(Policy::of_domain).unwrap_or_default();
        create = create.evict(evict.of_domain(), policy);
    }
    if let Some(level) = arguments.level {
        create = create.consistency(level);
    }
    look::show(&create.await?, global)?;
    Ok(Exit::Success)
}
