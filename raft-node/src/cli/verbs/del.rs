//! `quorate del`.

use clap::Args;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::selection::Selection;

/// What to delete.
#[derive(Args, Debug)]
pub struct DelArguments {
    /// Which keys.
    #[command(flatten)]
    keys: Selection,
    /// Show the records that were deleted
    #[arg(long)]
    previous: bool,
    /// The domain of the keys
    #[arg(long)]
    domain: Option<String>,
    /// KEY and END are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

/// Deletes them; exit code 1 when there was nothing to delete.
pub async fn run(arguments: DelArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let keys = arguments.keys.keys(hex)?;
    let client = global.connect().await?;
    let mut delete = client.delete(keys);
    if let Some(domain) = arguments.domain {
        delete = delete.domain(domain);
    }
    if arguments.previous {
        delete = delete.previous();
    }
    let reply = delete.await?;
    let mut json = json!({ "deleted": reply.deleted, "revision": reply.revision });
    if arguments.previous {
        json["previous"] = output::records_json(&reply.previous, hex);
    }
    global.output.show(&json, || {
        let mut text = format!("{} deleted, revision {}", reply.deleted, reply.revision);
        if !reply.previous.is_empty() {
            text.push('\n');
            text.push_str(&output::record_table(&reply.previous, hex));
        }
        text
    })?;
    Ok(if reply.deleted == 0 {
        Exit::Refused
    } else {
        Exit::Success
    })
}
