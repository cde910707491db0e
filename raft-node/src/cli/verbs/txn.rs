//! `quorate txn`.

use std::path::PathBuf;

use clap::Args;
use quorate::{LockOpReply, OpReply};
use serde_json::{Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::txn_document::TxnDocument;

/// No request is larger, and JSON at most sextuples it.
const DOCUMENT_BYTES_MAX: u64 = 400 << 20;

/// For `--help`.
pub const EXAMPLE: &str = r#"The document (every field but "key" can be left out; a compare has exactly one operand):

  {
    "compares": [
      { "key": "stock",  "operator": "greater", "version": 0 },
      { "key": "holder", "value": "worker-1" }
    ],
    "then": [
      { "put": { "key": "stock", "value": "41", "ttl_ms": 60000, "tags": ["shop"], "previous": true } },
      { "delete": { "prefix": "reserved/" } }
    ],
    "otherwise": [
      { "get": { "key": "holder" } },
      { "range": { "prefix": "reserved/", "limit": 10 } }
    ]
  }

Operators: equal (default), not_equal, greater, less.
Operands: value, version, create_revision, mod_revision, lease; a key that does not exist has 0 and no value.
Keys to delete or range: key, prefix, pattern, or interval: ["from", "to"].
{ "fence": { "lock": "reports", "lease": 7, "token": 9 } } refuses all of it unless the lock is held like that.
Bytes that are not UTF-8: key_hex and value_hex instead of key and value.

The exit code is 0 when every compare held and "then" was done, and 1 when "otherwise" was."#;

/// Where the document is.
#[derive(Args, Debug)]
pub struct TxnArguments {
    /// A file with the transaction as JSON; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Show keys and values in hexadecimal
    #[arg(long)]
    hex: bool,
}

/// Does it.
pub async fn run(arguments: TxnArguments, global: &Global) -> Result<Exit, Failure> {
    let text = bytes::file_or_stdin(&arguments.file, DOCUMENT_BYTES_MAX)?;
    let document = TxnDocument::parse(&text)?;
    let client = global.connect().await?;
    let reply = document.apply_to(client.txn())?.await?;
    let results: Vec<Value> = reply
        .results
        .iter()
        .map(|result| to_json(result, arguments.hex))
        .collect();
    let json = json!({ "succeeded": reply.succeeded, "revision": reply.revision, "results": results });
    global.output.show(&json, || {
        let branch = if reply.succeeded {
            "the compares held"
        } else {
            "the compares did not hold"
        };
        let mut lines = vec![format!("{branch}; revision {}", reply.revision)];
        lines.extend(reply.results.iter().map(|result| to_text(result, arguments.hex)));
        lines.join("\n")
    })?;
    Ok(if reply.succeeded { Exit::Success } else { Exit::Refused })
}

fn to_json(reply: &OpReply, hex: bool) -> Value {
    match reply {
        OpReply::Put { previous } => {
            json!({ "put": { "previous": previous.as_ref().map(|record| output::record_json(record, hex)) } })
        }
        OpReply::Delete { deleted, previous } => {
            json!({ "delete": { "deleted": deleted, "previous": output::records_json(previous, hex) } })
        }
        OpReply::Range { records, count, more } => {
            json!({ "range": { "records": output::records_json(records, hex), "count": count, "more": more } })
        }
        OpReply::Lock(LockOpReply::Held) => json!({ "fence": {} }),
        // The SDK may learn operations that this verb has no words for.
        other => json!({ "other": format!("{other:?}") }),
    }
}

fn to_text(reply: &OpReply, hex: bool) -> String {
    let (line, records) = match reply {
        OpReply::Put { previous } => ("put".to_owned(), previous.as_slice()),
        OpReply::Delete { deleted, previous } => (format!("delete: {deleted} deleted"), previous.as_slice()),
        OpReply::Range { records, count, .. } => (
            format!("range: {} of {count} records", records.len()),
            records.as_slice(),
        ),
        OpReply::Lock(LockOpReply::Held) => ("fence: the lock is held".to_owned(), [].as_slice()),
        other => (format!("{other:?}"), [].as_slice()),
    };
    if records.is_empty() {
        line
    } else {
        format!("{line}\n{}", output::record_table(records, hex))
    }
}
