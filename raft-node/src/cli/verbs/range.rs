//! `quorate range`.

use clap::Args;
use serde_json::json;

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::selection::{ReadLevel, Selection};

/// What to read.
#[derive(Args, Debug)]
pub struct RangeArguments {
    /// Which keys.
    #[command(flatten)]
    keys: Selection,
    /// What the read promises.
    #[command(flatten)]
    level: ReadLevel,
    /// At most this many records
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Largest key first
    #[arg(long)]
    descending: bool,
    /// The records as they were at this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// The domain of the keys
    #[arg(long)]
    domain: Option<String>,
    /// KEY and END are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

/// Reads one page; an empty one is an answer, not a failure.
pub async fn run(arguments: RangeArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let keys = arguments.keys.keys(hex)?;
    let client = global.connect().await?;
    let mut range = client.range(keys).limit(arguments.limit);
    if let Some(consistency) = arguments.level.consistency() {
        range = range.consistency(consistency);
    }
    if arguments.keys_only {
        range = range.keys_only();
    }
    if arguments.descending {
        range = range.descending();
    }
    if let Some(revision) = arguments.revision {
        range = range.at_revision(revision);
    }
    if let Some(domain) = arguments.domain {
        range = range.domain(domain);
    }
    let page = range.await?;
    let json = json!({
        "records": output::records_json(&page.records, hex),
        "count": page.count,
        "more": page.more,
        "revision": page.revision,
    });
    let text = || {
        let records = if arguments.keys_only {
            let rows = page.records.iter().map(|record| vec![bytes::shown(&record.key, hex)]);
            output::table(&["key"], rows)
        } else {
            output::record_table(&page.records, hex)
        };
        let shown = page.records.len();
        format!(
            "{records}\n{shown} of {} records at revision {}",
            page.count, page.revision
        )
    };
    global.output.show(&json, text)?;
    Ok(Exit::Success)
}
