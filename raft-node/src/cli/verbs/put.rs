//! `quorate put`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use quorate::{Client, LockHold, LockOp, Op, OpReply, Record};
use serde_json::json;

use crate::cli::bytes::{self, ValueArguments};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::fence;
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
    #[command(flatten)]
    options: PutOptions,
    /// KEY and VALUE are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

/// How to write it.
#[derive(Args, Debug)]
struct PutOptions {
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
    /// Write only if the lock is still held under which `quorate lock` or `quorate elect` runs this
    #[arg(long)]
    fenced: bool,
    /// The domain of the key
    #[arg(long)]
    domain: Option<String>,
}

/// Writes it.
pub async fn run(arguments: PutArguments, global: &Global) -> Result<Exit, Failure> {
    let (hex, show_previous) = (arguments.hex, arguments.options.previous);
    let fence = arguments.options.fenced.then(fence::from_environment).transpose()?;
    let key = bytes::argument(arguments.key, hex)?;
    let value = arguments.value.read(hex)?;
    let client = global.connect().await?;
    let (revision, previous) = match fence {
        Some(hold) => write_fenced(&client, &hold, key, value, arguments.options).await?,
        None => write(&client, key, value, arguments.options).await?,
    };
    let mut json = json!({ "revision": revision });
    if show_previous {
        json["previous"] = previous.as_ref().map(|record| output::record_json(record, hex)).into();
    }
    global.output.show(&json, || {
        let mut text = format!("revision {revision}");
        if let Some(record) = &previous {
            text.push_str("; it replaced\n");
            text.push_str(&output::record_table(std::slice::from_ref(record), hex));
        }
        text
    })?;
    Ok(Exit::Success)
}

/// Returns the revision, and the record that was replaced if it was asked for.
async fn write(
    client: &Client,
    key: Vec<u8>,
    value: Vec<u8>,
    options: PutOptions,
) -> Result<(u64, Option<Record>), Failure> {
    let mut put = client.put(key, value);
    if let Some(domain) = options.domain {
        put = put.domain(domain);
    }
    if let Some(ttl) = options.ttl {
        put = put.ttl(ttl);
    }
    if let Some(lease) = options.lease {
        put = put.lease(lease);
    }
    if !options.tags.is_empty() {
        put = put.tags(options.tags);
    }
    if options.previous {
        put = put.previous();
    }
    let reply = put.await?;
    Ok((reply.revision, reply.previous))
}

/// The same, unless the hold is over.
async fn write_fenced(
    client: &Client,
    hold: &LockHold,
    key: Vec<u8>,
    value: Vec<u8>,
    options: PutOptions,
) -> Result<(u64, Option<Record>), Failure> {
    let mut put = Op::put(key, value)
        .domain(options.domain.unwrap_or_default())
        .ttl(options.ttl.unwrap_or_default())
        .lease(options.lease.unwrap_or_default())
        .tags(options.tags);
    if options.previous {
        put = put.previous();
    }
    let reply = client.txn().then(LockOp::fence(hold)).then(put).await?;
    Ok((reply.revision, reply.results.last().and_then(OpReply::record).cloned()))
}
