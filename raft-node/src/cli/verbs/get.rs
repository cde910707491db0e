//! `quorate get`.

use std::ffi::OsString;

use clap::Args;
use quorate::{Consistency, Source};
use serde_json::json;

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, Format};
use crate::cli::selection::ReadLevel;

/// What to read.
#[derive(Args, Debug)]
pub struct GetArguments {
    /// The key
    key: OsString,
    /// What the read promises.
    #[command(flatten)]
    level: ReadLevel,
    /// The record as it was at this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// The domain of the key
    #[arg(long)]
    domain: Option<String>,
    /// KEY is hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
    /// Write the bytes of the value and nothing else
    #[arg(long, conflicts_with = "hex")]
    raw: bool,
}

/// Reads it; a key that does not exist is exit code 1.
pub async fn run(arguments: GetArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let shown_key = bytes::shown(&key, hex);
    let client = global.connect().await?;
    let mut get = client.get(key);
    if let Some(consistency) = arguments.level.consistency() {
        get = get.consistency(consistency);
    }
    if let Some(domain) = arguments.domain {
        get = get.domain(domain);
    }
    if let Some(revision) = arguments.revision {
        get = get.at_revision(revision);
    }
    let reply = get.await?;
    let Some(record) = &reply.record else {
        return Err(Failure::new(
            Exit::Refused,
            "key_not_found",
            format!("key {shown_key:?} does not exist at revision {}", reply.revision),
        ));
    };
    if arguments.raw && global.output == Format::Table {
        output::write_stdout(&record.value)?;
        return Ok(Exit::Success);
    }
    let json = json!({
        "record": output::record_json(record, hex),
        "revision": reply.revision,
        // Null where it cannot be told.
        "staleness_ms": u64::try_from(reply.staleness.as_millis()).ok(),
        "level": level(reply.level),
        "source": if reply.source == Source::Leader { "leader" } else { "replica" },
        "member": reply.member,
    });
    global
        .output
        .show(&json, || output::record_table(std::slice::from_ref(record), hex))?;
    Ok(Exit::Success)
}

/// What the answer promises.
fn level(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Strong => "strong",
        Consistency::BoundedStale(_) => "bounded_stale",
        Consistency::Local => "local",
        _ => "eventual",
    }
}
