//! `quorate eventual scan`.

use std::ffi::OsString;

use clap::Args;
use quorate::Keys;
use serde_json::json;

use super::{Kind, Place, show};
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What to read.
#[derive(Args, Debug)]
pub struct ScanArguments {
    /// Keys that start with this; without it every key
    #[arg(default_value = "")]
    prefix: OsString,
    /// PREFIX is a pattern: `*` matches within a path segment, `**` across segments
    #[arg(long)]
    pattern: bool,
    /// What the keys stand for
    #[arg(long = "type", value_enum, default_value_t)]
    kind: Kind,
    /// At most this many entries
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Leave out what is kept under the keys
    #[arg(long)]
    keys_only: bool,
    #[command(flatten)]
    place: Place,
}

/// Reads page after page up to the limit; nothing at all is an answer, not a failure.
pub(super) async fn run(arguments: ScanArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.place.hex;
    let prefix = bytes::argument(arguments.prefix, hex)?;
    let keys = if arguments.pattern {
        let pattern = String::from_utf8(prefix).map_err(|_| Failure::usage("a pattern is UTF-8"))?;
        Keys::pattern(pattern)
    } else {
        Keys::prefix(prefix)
    };
    let (client, eventual) = arguments.place.open(global).await?;
    let limit = arguments.limit as usize;
    let mut scan = eventual.scan(keys).of(arguments.kind.entry_type());
    if arguments.keys_only {
        scan = scan.keys_only();
    }
    let mut entries = Vec::new();
    let more = loop {
        let left = u32::try_from(limit - entries.len()).unwrap_or(u32::MAX);
        let page = scan.clone().limit(left).await?;
        entries.extend(page.entries);
        match page.next {
            Some(_) if entries.len() >= limit => break true,
            Some(next) => scan = scan.after(next),
            None => break false,
        }
    };
    let json = json!({
        "entries": entries.iter().map(|entry| show::entry_json(entry, hex)).collect::<Vec<_>>(),
        "more": more,
        "token": client.causal_token().to_string(),
    });
    global.output.show(&json, || {
        let table = if arguments.keys_only {
            output::table(
                &["key"],
                entries.iter().map(|entry| vec![bytes::shown(&entry.key, hex)]),
            )
        } else {
            show::entry_table(&entries, hex)
        };
        let more = if more { ", and there are more" } else { "" };
        format!("{table}\n{} entries{more}", entries.len())
    })?;
    Ok(Exit::Success)
}
