//! `quorate compact`.

use clap::Args;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// How far.
#[derive(Args, Debug)]
pub struct CompactArguments {
    /// The oldest revision that stays readable
    revision: u64,
}

/// Forgets what is older.
pub async fn run(arguments: &CompactArguments, global: &Global) -> Result<Exit, Failure> {
    let oldest = arguments.revision;
    global.connect().await?.compact(oldest).await?;
    let json = json!({ "oldest_revision": oldest });
    global
        .output
        .show(&json, || format!("the oldest readable revision is {oldest}"))?;
    Ok(Exit::Success)
}
