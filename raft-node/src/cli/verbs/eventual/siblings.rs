//! `quorate eventual siblings`.

use std::ffi::OsString;

use clap::Args;
use quorate::EventualSibling;
use serde_json::json;

use super::{Place, absent, show};
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Of which register.
#[derive(Args, Debug)]
pub struct SiblingsArguments {
    /// The key
    key: OsString,
    #[command(flatten)]
    place: Place,
}

/// Shows them, the newest first, with the context that replaces them; a key that does not exist is exit code 1.
pub(super) async fn run(arguments: SiblingsArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.place.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let (_client, eventual) = arguments.place.open(global).await?;
    let Some(entry) = eventual.get(&key).await?.entry else {
        return Err(absent(&key, hex));
    };
    let context = bytes::to_hex(entry.context.as_bytes());
    let json = json!({
        "siblings": entry.siblings.iter().map(|sibling| show::sibling_json(sibling, hex)).collect::<Vec<_>>(),
        "context_hex": context,
    });
    global.output.show(&json, || {
        if entry.siblings.is_empty() {
            return format!("there is one value: {}", bytes::shown(&entry.value, hex));
        }
        let row = |sibling: &EventualSibling| {
            let dot = format!("{:016x}/{}", sibling.process, sibling.number);
            vec![
                bytes::shown(&sibling.value, hex),
                sibling.written_at_ms.to_string(),
                dot,
            ]
        };
        let table = output::table(
            &["value", "written at (ms)", "taken by"],
            entry.siblings.iter().map(row),
        );
        format!("{table}\nto replace them: quorate eventual put KEY VALUE --strategy siblings --context {context}")
    })?;
    Ok(Exit::Success)
}
