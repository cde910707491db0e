//! `quorate eventual add`.

use std::ffi::OsString;

use clap::Args;

use super::{Place, show};
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// How much to add to what.
#[derive(Args, Debug)]
pub struct AddArguments {
    /// The counter
    key: OsString,
    /// How much; it may be negative
    #[arg(default_value_t = 1, allow_negative_numbers = true)]
    number: i64,
    /// How many members must have it in memory
    #[arg(long, value_name = "N", default_value_t = 1)]
    acks: u32,
    #[command(flatten)]
    place: Place,
}

/// Adds it; exit code 4 when the answer was lost, and with it whether it was counted.
pub(super) async fn run(arguments: AddArguments, global: &Global) -> Result<Exit, Failure> {
    let key = bytes::argument(arguments.key, arguments.place.hex)?;
    let (client, eventual) = arguments.place.open(global).await?;
    let written = eventual.counter(key).add(arguments.number).acks(arguments.acks).await?;
    show::show_written(&written, &client, global)
}
