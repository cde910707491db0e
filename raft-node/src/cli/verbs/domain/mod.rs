//! `quorate domain`: one kind of verb a file.

mod change;
mod create;
mod look;
mod stats;
mod words;

use clap::Subcommand;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to do with domains.
#[derive(Debug, Subcommand)]
pub enum DomainVerb {
    /// Make a domain
    Create(create::CreateArguments),
    /// Show the domains
    List,
    /// Show one domain and its settings
    Get {
        /// Which
        domain: String,
    },
    /// Show what each member has of the eventual domains, and what happened to it
    Stats {
        /// Which; without it, all
        domain: Option<String>,
    },
    /// Change settings of a domain; what is not said stays
    Change(change::ChangeArguments),
    /// Drop a domain: an eventual one with what it holds, a strong one only when it holds nothing
    Drop {
        /// Which
        domain: String,
    },
}

/// Does it.
pub async fn run(verb: DomainVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        DomainVerb::Create(arguments) => create::create(arguments, global).await,
        DomainVerb::List => look::list(global).await,
        DomainVerb::Get { domain } => look::get(&domain, global).await,
        DomainVerb::Stats { domain } => stats::stats(domain.as_deref(), global).await,
        DomainVerb::Change(arguments) => change::change(arguments, global).await,
        DomainVerb::Drop { domain } => change::drop(&domain, global).await,
    }
}
