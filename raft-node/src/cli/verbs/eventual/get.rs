//! `quorate eventual get`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Kind, Place, absent, show};
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, Format};

/// What to read.
#[derive(Args, Debug)]
pub struct GetArguments {
    /// The key
    key: OsString,
    /// What it stands for
    #[arg(long = "type", value_enum, default_value_t)]
    kind: Kind,
    /// Refuse an answer that lacks what anybody wrote longer ago than this, e.g. 500ms
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
    /// Write the bytes of the value and nothing else
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    place: Place,
}

/// Reads it; a key that does not exist is exit code 1.
pub(super) async fn run(arguments: GetArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.place.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let (client, eventual) = arguments.place.open(global).await?;
    let mut get = eventual.get(&key).of(arguments.kind.entry_type());
    if let Some(age) = arguments.max_age {
        get = get.max_age(age);
    }
    let reply = get.await?;
    let Some(entry) = &reply.entry else {
        return Err(absent(&key, hex));
    };
    if arguments.raw && global.output == Format::Table {
        output::write_stdout(&entry.value)?;
        return Ok(Exit::Success);
    }
    let json = json!({
        "entry": show::entry_json(entry, hex),
        "age_ms": show::age_json(reply.age),
        "member": reply.member,
        "token": client.causal_token().to_string(),
    });
    let table = || show::entry_table(std::slice::from_ref(entry), hex);
    global.output.show(&json, table)?;
    Ok(Exit::Success)
}
