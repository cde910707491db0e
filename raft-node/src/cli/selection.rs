//! Which keys a verb means, and what a read promises.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use quorate::{Consistency, Keys};

use super::bytes;
use super::exit::Failure;

/// One key, or one of the three ways to name many.
#[derive(Args, Debug)]
pub struct Selection {
    /// The key; with --prefix, --to or --pattern what that says
    key: OsString,
    /// Every key that starts with KEY; an empty KEY is every key
    #[arg(long, conflicts_with_all = ["to", "pattern"])]
    prefix: bool,
    /// Every key from KEY up to, and without, END; an empty END is no bound
    #[arg(long, value_name = "END", conflicts_with = "pattern")]
    to: Option<OsString>,
    /// KEY is a pattern: * stands for anything between two slashes, ** for anything
    #[arg(long)]
    pattern: bool,
}

impl Selection {
    /// The keys.
    pub fn keys(self, hex: bool) -> Result<Keys, Failure> {
        if self.pattern {
            return self
                .key
                .into_string()
                .map(Keys::pattern)
                .map_err(|_| Failure::usage("a pattern must be UTF-8"));
        }
        let key = bytes::argument(self.key, hex)?;
        Ok(match self.to {
            Some(end) => Keys::interval(key, bytes::argument(end, hex)?),
            None if self.prefix => Keys::prefix(key),
            None => Keys::key(key),
        })
    }
}

/// What a read promises.
#[derive(Args, Debug)]
pub struct ReadLevel {
    /// Everything that was acknowledged before; the default, unless the domain says otherwise
    #[arg(long, conflicts_with_all = ["local", "max_staleness"])]
    strong: bool,
    /// What any member has applied, without asking the others
    #[arg(long, conflicts_with = "max_staleness")]
    local: bool,
    /// An answer that is proved to be no older than this, e.g. 100ms
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_staleness: Option<Duration>,
}

impl ReadLevel {
    /// What was said; none: what the domain says.
    pub fn consistency(&self) -> Option<Consistency> {
        match (self.local, self.max_staleness) {
            (true, _) => Some(Consistency::Local),
            (false, Some(staleness)) => Some(Consistency::BoundedStale(staleness)),
            (false, None) => self.strong.then_some(Consistency::Strong),
        }
    }
}
