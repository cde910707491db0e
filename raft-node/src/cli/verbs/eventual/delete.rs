//! `quorate eventual delete`.

use std::ffi::OsString;

use clap::Args;

use super::{Kind, Place, absent, show};
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to delete.
#[derive(Args, Debug)]
pub struct DeleteArguments {
    /// The key
    key: OsString,
    /// What it stands for
    #[arg(long = "type", value_enum, default_value_t)]
    kind: Kind,
    #[command(flatten)]
    place: Place,
}

/// Deletes it; exit code 1 when there was nothing to delete.
pub(super) async fn run(arguments: DeleteArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.place.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let (client, eventual) = arguments.place.open(global).await?;
    let delete = match arguments.kind {
        Kind::Register => eventual.delete(&key),
        Kind::Counter => eventual.counter(&key).delete(),
        Kind::Set => eventual.set(&key).delete(),
        Kind::Map => eventual.map(&key).delete(),
        Kind::Flag => eventual.flag(&key).delete(),
    };
    let written = delete.await?;
    if written.superseded {
        return Err(absent(&key, hex));
    }
    show::show_written(&written, &client, global)
}
