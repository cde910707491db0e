//! `quorate wait`.

use std::ffi::OsString;

use clap::Args;
use quorate::{ErrorKind, Record};
use serde_json::json;

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What to wait for.
#[derive(Args, Debug)]
pub struct WaitArguments {
    /// The key
    key: OsString,
    /// What is wanted.
    #[command(flatten)]
    wanted: WantedArguments,
    /// The domain of the key
    #[arg(long)]
    domain: Option<String>,
    /// KEY and VALUE are hexadecimal, and so is what is shown
    #[arg(long)]
    hex: bool,
}

/// What is wanted: at most one; without any, that the key exists.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct WantedArguments {
    /// It has this value
    #[arg(long)]
    value: Option<OsString>,
    /// It exists (the default)
    #[arg(long)]
    exists: bool,
    /// It does not exist
    #[arg(long)]
    absent: bool,
}

/// Waits no longer than `--timeout`; a key that was not as wanted by then is exit code 1.
pub async fn run(arguments: WaitArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let key = bytes::argument(arguments.key, hex)?;
    let value = arguments.wanted.value;
    let value = value.map(|value| bytes::argument(value, hex)).transpose()?;
    let absent = arguments.wanted.absent;
    let wanted = |record: Option<&Record>| match (record, &value) {
        (None, _) => absent,
        (Some(_), _) if absent => false,
        (Some(record), Some(value)) => record.value == value,
        (Some(_), None) => true,
    };
    let client = global.connect().await?;
    let mut wait = client.wait_for(key, wanted, global.timeout);
    if let Some(domain) = arguments.domain {
        wait = wait.domain(domain);
    }
    let record = wait.await.map_err(|error| {
        let late = *error.kind() == ErrorKind::DeadlineExceeded;
        let mut failure = Failure::from(error);
        if late {
            // The cluster has answered, and what it said is not what was wanted.
            failure.exit = Exit::Refused;
        }
        failure
    })?;
    let json = json!({ "record": record.as_ref().map(|record| output::record_json(record, hex)) });
    global.output.show(&json, || match &record {
        Some(record) => output::record_table(std::slice::from_ref(record), hex),
        None => "it does not exist".to_owned(),
    })?;
    Ok(Exit::Success)
}
