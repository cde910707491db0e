//! Calls of keys as lines of JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use serde::Serialize;

use crate::linearizable::{Answer, Call, Expected, KeyOperation};

/// One operation; the order of the fields is that of the file.
#[derive(Serialize)]
struct Line {
    key: String,
    client: u64,
    invoked_us: u64,
    /// Nothing: it may take effect at any later time, or never.
    returned_us: Option<u64>,
    call: &'static str,
    /// Of a compare-and-swap: `absent`, `value` or `present`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_value: Option<String>,
    /// What it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    answer: &'static str,
    /// What it was shown; null for a key that does not exist.
    shown: Option<String>,
}

/// Writes every operation, key by key.
pub fn registers(histories: &BTreeMap<Bytes, Vec<KeyOperation>>, out: &mut impl Write) -> io::Result<()> {
    for (key, history) in histories {
        for operation in history {
            serde_json::to_writer(&mut *out, &line(key, operation)).map_err(io::Error::other)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn line(key: &Bytes, operation: &KeyOperation) -> Line {
    let (call, expected, value) = match &operation.call {
        Call::Put(value) => ("put", None, Some(value)),
        Call::CompareAndSwap(expected, value) => ("cas", Some(expected), Some(value)),
        Call::Delete => ("delete", None, None),
        Call::Get => ("get", None, None),
    };
    let (answer, shown) = match &operation.answer {
        Answer::Done => ("done", None),
        Answer::Unchanged(shown) => ("unchanged", shown.as_ref()),
        Answer::Read(shown) => ("read", shown.as_ref()),
        Answer::Unknown => ("unknown", None),
    };
    Line {
        key: text(key),
        client: operation.client,
        invoked_us: whole_us(operation.invoked),
        returned_us: operation.is_known().then(|| whole_us(operation.returned)),
        call,
        expected: expected.map(|expected| match expected {
            Expected::Absent => "absent",
            Expected::Value(_) => "value",
            Expected::Present => "present",
        }),
        expected_value: match expected {
            Some(Expected::Value(value)) => Some(text(value)),
            _ => None,
        },
        value: value.map(text),
        answer,
        shown: shown.map(text),
    }
}

fn whole_us(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// As it is, or in hexadecimal digits behind `0x` if it is no text.
fn text(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes
            .iter()
            .fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}
