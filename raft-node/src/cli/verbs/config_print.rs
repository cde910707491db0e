//! `quorate config`.

use clap::Subcommand;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::setting_flags::{self, SettingFlags};
use crate::tls;

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
    /// Say whether `quorate server` would start with them, given the same flags; certificates are looked at too
    Check {
        /// The flags of `server`.
        #[command(flatten)]
        flags: Box<SettingFlags>,
    },
}

/// Shows or checks them.
pub fn run(verb: &ConfigVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        ConfigVerb::Print { flags, show_origin } => {
            let loaded = flags.load()?;
            let json = loaded.to_json(*show_origin);
            global.output.show(&json, || loaded.to_toml(*show_origin))?;
        }
        ConfigVerb::Check { flags } => {
            let warning = tls::check(&flags.load()?.config).map_err(setting_flags::failure)?;
            let said = || match &warning {
                None => "The settings can be used.".to_owned(),
                Some(warning) => format!("The settings can be used, but {warning}."),
            };
            global
                .output
                .show(&json!({ "usable": true, "warning": warning }), said)?;
        }
    }
    Ok(Exit::Success)
}
