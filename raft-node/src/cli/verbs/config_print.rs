//! `quorate config print`.

use clap::Subcommand;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::setting_flags::SettingFlags;

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show what `quorate server` would run with, given the same flags
    Print {
        /// The flags of `server`.
        #[command(flatten)]
        flags: Box<SettingFlags>,
        /// Say beside each value where it came from
        #[arg(long)]
        show_origin: bool,
    },
}

/// Shows them.
pub fn run(verb: &ConfigVerb, global: &Global) -> Result<Exit, Failure> {
    let ConfigVerb::Print { flags, show_origin } = verb;
    let loaded = flags.load()?;
    let json = loaded.to_json(*show_origin);
    global.output.show(&json, || loaded.to_toml(*show_origin))?;
    Ok(Exit::Success)
}
