//! `quorate eventual`: one verb a file.

mod add;
mod delete;
mod get;
mod put;
mod scan;
mod show;
mod siblings;
mod watch;

use clap::{Args, Subcommand, ValueEnum};
use quorate::{CausalToken, Client, Eventual, EventualType};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to do in the eventual tier.
#[derive(Debug, Subcommand)]
pub enum EventualVerb {
    /// Read a key
    Get(get::GetArguments),
    /// Write a register
    Put(put::PutArguments),
    /// Delete a key
    Delete(delete::DeleteArguments),
    /// Show the values of a register that stand beside each other
    Siblings(siblings::SiblingsArguments),
    /// Add to a counter
    Add(add::AddArguments),
    /// Read the keys with a prefix, or of a pattern
    Scan(scan::ScanArguments),
    /// Show the newest values of what changes
    Watch(watch::WatchArguments),
}

/// Where, and after what.
#[derive(Args, Debug)]
struct Place {
    /// The domain of the key; without it `default-eventual`
    #[arg(long)]
    domain: Option<String>,
    /// Read nothing older than what this token names; other commands show tokens with `-o json`
    #[arg(long)]
    token: Option<String>,
    /// Keys and values are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

impl Place {
    async fn open(&self, global: &Global) -> Result<(Client, Eventual), Failure> {
        let token = self.token.as_deref().map(|text| {
            let token: Result<CausalToken, quorate::Error> = text.parse();
            token.map_err(|error| Failure::usage(error.message()))
        });
        let token = token.transpose()?;
        let client = global.connect().await?;
        if let Some(token) = token {
            client.observe(&token);
        }
        let eventual = client.eventual_in(self.domain.clone().unwrap_or_default());
        Ok((client, eventual))
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    /// One value, or several
    #[default]
    Register,
    /// A sum
    Counter,
    /// Members
    Set,
    /// Fields
    Map,
    /// On or off
    Flag,
}

impl Kind {
    fn entry_type(self) -> EventualType {
        match self {
            Self::Register => EventualType::Register,
            Self::Counter => EventualType::Counter,
            Self::Set => EventualType::Set,
            Self::Map => EventualType::Map,
            Self::Flag => EventualType::Flag,
        }
    }
}

/// Does it.
pub async fn run(verb: EventualVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        EventualVerb::Get(arguments) => get::run(arguments, global).await,
        EventualVerb::Put(arguments) => put::run(arguments, global).await,
        EventualVerb::Delete(arguments) => delete::run(arguments, global).await,
        EventualVerb::Siblings(arguments) => siblings::run(arguments, global).await,
        EventualVerb::Add(arguments) => add::run(arguments, global).await,
        EventualVerb::Scan(arguments) => scan::run(arguments, global).await,
        EventualVerb::Watch(arguments) => watch::run(arguments, global).await,
    }
}

fn absent(key: &[u8], hex: bool) -> Failure {
    let key = crate::cli::bytes::shown(key, hex);
    Failure::new(Exit::Refused, "key_not_found", format!("key {key:?} does not exist"))
}
