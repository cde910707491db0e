//! `quorate certs init`.

use std::path::Path;

use serde_json::json;

use super::authority::{Authority, Kind};
use super::files;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// Makes both authorities.
pub(super) fn run(directory: &Path, days: u32, global: &Global) -> Result<Exit, Failure> {
    let mut made = Vec::new();
    for kind in [Kind::Peer, Kind::Client] {
        made.extend(Authority::make(kind, directory, days)?);
    }
    files::write(&made, false)?;
    let paths: Vec<_> = made.iter().map(|file| &file.path).collect();
    global.output.show(&json!({ "files": paths }), || {
        let place = directory.display();
        format!(
            "Two authorities are in {place}. Their keys (*-ca.key) sign whatever this cluster trusts: keep them here, and off \
             the members.\nNext, for each member:\n  quorate certs node {place} --member 1 --host HOST_OR_IP\nand for \
             clients:\n  quorate certs client {place} --name NAME"
        )
    })?;
    Ok(Exit::Success)
}
