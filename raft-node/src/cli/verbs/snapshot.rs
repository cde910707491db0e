//! `quorate snapshot`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Save the store of the first endpoint in a directory
    Save {
        /// The directory; new or empty
        directory: PathBuf,
    },
}

/// Saves it. The time-out is for the connection: the transfer takes as long as it takes.
pub async fn run(verb: SnapshotVerb, global: &Global) -> Result<Exit, Failure> {
    let SnapshotVerb::Save { directory } = verb;
    let Some(endpoint) = global.endpoints.first() else {
        return Err(Failure::usage("--endpoints is empty"));
    };
    let client = global.connect().await?;
    let bar = progress::bar(None, "saved {bytes} ({bytes_per_sec})");
    let saved = client
        .snapshot_save(endpoint, &directory, |progress| bar.set_position(progress.bytes))
        .await;
    bar.finish_and_clear();
    let saved = saved?;
    let json = json!({ "directory": directory, "bytes": saved.bytes, "files": saved.files });
    global.output.show(&json, || {
        format!(
            "{} files, {} bytes in {}",
            saved.files,
            saved.bytes,
            directory.display()
        )
    })?;
    Ok(Exit::Success)
}
