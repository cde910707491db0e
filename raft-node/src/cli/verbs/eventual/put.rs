//! `quorate eventual put`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use quorate::{EventualContext, Strategy};

use super::{Place, show};
use crate::cli::bytes::{self, ValueArguments};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to write.
#[derive(Args, Debug)]
#[command(override_usage = "quorate eventual put [OPTIONS] <KEY> <VALUE|--value-file <FILE>>")]
pub struct PutArguments {
    /// The key
    key: OsString,
    /// The value.
    #[command(flatten)]
    value: ValueArguments,
    /// The key goes after this long, e.g. 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// last-write, union, merge, max, min or siblings; without it that of the domain
    #[arg(long, value_parser = strategy)]
    strategy: Option<Strategy>,
    /// Replace exactly what was seen with this context, which `-o json` shows
    #[arg(long, value_name = "HEX")]
    context: Option<String>,
    /// How many members must have it in memory
    #[arg(long, value_name = "N", default_value_t = 1)]
    acks: u32,
    #[command(flatten)]
    place: Place,
}

/// Writes it.
pub(super) async fn run(arguments: PutArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.place.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let value = arguments.value.read(hex)?;
    let context = arguments
        .context
        .map(|text| bytes::from_hex(text.as_bytes()))
        .transpose()?;
    let (client, eventual) = arguments.place.open(global).await?;
    let mut put = eventual.put(key, value).acks(arguments.acks);
    if let Some(ttl) = arguments.ttl {
        put = put.ttl(ttl);
    }
    if let Some(strategy) = arguments.strategy {
        put = put.strategy(strategy);
    }
    if let Some(context) = context {
        put = put.context(&EventualContext::from_bytes(context));
    }
    show::show_written(&put.await?, &client, global)
}

fn strategy(text: &str) -> Result<Strategy, String> {
    text.parse().map_err(|error: quorate::Error| error.message().to_owned())
}
