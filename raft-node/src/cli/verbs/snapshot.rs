//! `quorate snapshot`: of the strong tier. What the eventual tier holds is in none.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress;
use crate::cli::setting_flags::SettingFlags;
use crate::node;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Save the store of the first endpoint in a directory
    Save {
        /// The directory; new or empty
        directory: PathBuf,
    },
    /// Make the data directory of a new cluster of one member out of a saved snapshot
    Restore {
        /// The directory that the snapshot was saved in
        directory: PathBuf,
        /// The flags of `server`.
        #[command(flatten)]
        flags: Box<SettingFlags>,
        /// By how much revisions jump forward: by more than the old cluster wrote after the snapshot
        #[arg(long, value_name = "REVISIONS", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        revision_jump: u64,
    },
}

/// Saves or restores it.
pub async fn run(verb: SnapshotVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        SnapshotVerb::Save { directory } => save(directory, global).await,
        SnapshotVerb::Restore {
            directory,
            flags,
            revision_jump,
        } => restore(&directory, &flags, revision_jump, global).await,
    }
}

/// The time-out is for the connection: the transfer takes as long as it takes.
async fn save(directory: PathBuf, global: &Global) -> Result<Exit, Failure> {
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

async fn restore(directory: &Path, flags: &SettingFlags, revision_jump: u64, global: &Global) -> Result<Exit, Failure> {
    // Whoever names the wrong directory is told of that, not of what else is missing.
    let saved = node::SavedSnapshot::open(directory).map_err(|error| Failure::local(error.to_string()))?;
    let (loaded, alone) = flags.load_alone()?;
    let config = loaded.config;
    let bar = progress::bar(None, "restoring ({elapsed})");
    let restored = node::restore(&saved, &config, revision_jump).await;
    bar.finish_and_clear();
    let restored = restored.map_err(|error| Failure::local(error.to_string()))?;
    let cluster = format!("{:016x}", restored.cluster_id);
    let (before, revision) = (restored.revision_before.0, restored.revision.0);
    let json = json!({
        "member": config.member_id,
        "data_directory": config.data_directory,
        "cluster": cluster,
        "bytes": restored.bytes,
        "revision_of_the_snapshot": before,
        "revision": revision,
    });
    let more = if alone { " and --join" } else { "" };
    global.output.show(&json, || {
        format!(
            "member {} in {}: revision {before} of the snapshot is revision {revision} of the new cluster {cluster}\n\
             Start it with `quorate server` and the same settings{more}, then add the others: each with an empty data directory \
             and `cluster.join`, by `quorate member add`.",
            config.member_id,
            config.data_directory.display()
        )
    })?;
    Ok(Exit::Success)
}
