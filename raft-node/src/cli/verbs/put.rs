//! `quorate put`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::bytes::{self, ValueArguments};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What to write.
#[derive(Args, Debug)]
#[command(override_usage = "quorate put [OPTIONS] <KEY> <VALUE|--value-file <FILE>>")]
pub struct PutArguments {
    /// The key
    key: OsString,
    /// The value.
    #[command(flatten)]
    value: ValueArguments,
    /// The key goes after this long, e.g. 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// The key goes when this lease ends
    #[arg(long, value_name = "ID")]
    lease: Option<u64>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Show the record that was replaced
    #[arg(long)]
    previous: bool,
    /// The domain of the key
    #[arg(long)]
    domain: Option<String>,
    /// KEY and VALUE are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

/// Writes it.
pub async fn run(arguments: PutArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let value = arguments.value.read(hex)?;
    let client = global.connect().await?;
    let mut put = client.put(key, value);
    if let Some(domain) = arguments.domain {
        put = put.domain(domain);
    }
    if let Some(ttl) = arguments.ttl {
        put = put.ttl(ttl);
    }
    if let Some(lease) = arguments.lease {
        put = put.lease(lease);
    }
    if !arguments.tags.is_empty() {
        put = put.tags(arguments.tags);
    }
    if arguments.previous {
        put = put.previous();
    }
    let reply = put.await?;
    let mut json = json!({ "revision": reply.revision });
    if arguments.previous {
        json["previous"] = reply
            .previous
            .as_ref()
            .map(|record| output::record_json(record, hex))
            .into();
    }
    global.output.show(&json, || {
        let mut text = format!("revision {}", reply.revision);
        if let Some(record) = &reply.previous {
            text.push_str("; it replaced\n");
            text.push_str(&output::record_table(std::slice::from_ref(record), hex));
        }
        text
    })?;
    Ok(Exit::Success)
}
