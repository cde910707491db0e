//! `quorate elect`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::Args;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::under_lock::{self, CommandArguments, Wanted};

/// Which election, and what the leader does.
#[derive(Args, Debug)]
pub struct ElectArguments {
    /// The election, which is a lock of this name
    name: String,
    /// What the leader proclaims, e.g. its address; `lock holder` shows it
    #[arg(long, default_value = "")]
    value: OsString,
    /// The command.
    #[command(flatten)]
    command: CommandArguments,
}

/// Runs the command while this one leads.
pub async fn run(arguments: ElectArguments, global: &Global) -> Result<Exit, Failure> {
    let wanted = Wanted {
        name: arguments.name,
        shared: false,
        value: arguments.value.into_vec(),
    };
    under_lock::run(wanted, arguments.command, global).await
}
