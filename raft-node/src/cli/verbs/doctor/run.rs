//! What is asked, in which order, and how it is shown.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::check::{Check, Verdict};
use super::{certificates, cluster, machine, visit};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::setting_flags::SettingFlags;

/// What to look at.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    #[command(subcommand)]
    at: Option<At>,
}

#[derive(Debug, Subcommand)]
enum At {
    /// The members at --endpoints and those that they know (this is what is done without a word)
    Cluster,
    /// This machine, as `quorate server` would find it, given the same flags; before it is started or while it runs
    Machine {
        /// The flags of `server`.
        #[command(flatten)]
        flags: Box<SettingFlags>,
    },
}

/// Looks, and says what was found. Something bad is an exit code of its own.
pub async fn run(arguments: DoctorArguments, global: &Global) -> Result<Exit, Failure> {
    let checks = match arguments.at {
        None | Some(At::Cluster) => {
            let client = global.connect().await?;
            let visited = visit::all(&client, &global.endpoints).await;
            client.close().await;
            let mut checks = cluster::examine(&visited, env!("CARGO_PKG_VERSION"));
            checks.extend(certificates::presented(&visited, global).await?);
            checks
        }
        Some(At::Machine { flags }) => machine::examine(flags.load()?.config).await?,
    };
    show(&checks, global)
}

fn show(checks: &[Check], global: &Global) -> Result<Exit, Failure> {
    let worst = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good);
    let json: Vec<Value> = checks.iter().map(Check::to_json).collect();
    let json = json!({ "healthy": worst < Verdict::Bad, "checks": json });
    let text = || {
        let rows = checks.iter().map(Check::to_row);
        output::table(&["check", "verdict", "found", "what to do"], rows)
    };
    global.output.show(&json, text)?;
    Ok(match worst {
        Verdict::Good | Verdict::Warning => Exit::Success,
        Verdict::Bad => Exit::Refused,
    })
}
