//! Tables for people, JSON for programs.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::SystemTime;

use clap::ValueEnum;
use comfy_table::{LineStyle, Table, TableStyle};
use quorate::Record;
use serde_json::{Map, Value};

use super::bytes;
use super::exit::Failure;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Table,
    /// One JSON object a command; of `watch`, one an event.
    Json,
}

impl Format {
    /// Writes the result of a verb: `json`, or what `text` makes.
    pub fn show(self, json: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let mut line = match self {
            Format::Json => json.to_string(),
            Format::Table => text(),
        };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        write_stdout(line.as_bytes())
    }

    /// Writes why a verb failed, to standard error, which has nowhere to report its own failure to.
    pub fn show_failure(self, failure: &Failure) {
        let line = match self {
            Format::Json => failure.to_json().to_string(),
            Format::Table => format!("error: {failure}"),
        };
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) is not a failure.
pub fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    write_to_reader(bytes).map(|_reads| ())
}

/// Writes one line to standard output, at once; false when nobody reads any more.
pub fn write_line(line: &str) -> Result<bool, Failure> {
    write_to_reader(format!("{line}\n").as_bytes())
}

fn write_to_reader(bytes: &[u8]) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::local(format!("standard output: {error}"))),
    }
}

/// One line below the header: narrow, and easy to cut columns from.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A time as people and programs read it, in UTC.
pub fn time(time: SystemTime) -> String {
    let mut text = String::new();
    match write!(text, "{}", humantime::format_rfc3339_seconds(time)) {
        Ok(()) => text,
        // No clock that is right shows such a time.
        Err(fmt::Error) => "beyond the year 9999".to_owned(),
    }
}

/// A table as text. `rows` have as many cells as `header`.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    table.to_string()
}

/// Records as a table.
pub fn record_table(records: &[Record], hex: bool) -> String {
    let rows = records.iter().map(|record| {
        vec![
            bytes::shown(&record.key, hex),
            bytes::shown(&record.value, hex),
            record.create_revision.to_string(),
            record.mod_revision.to_string(),
            record.version.to_string(),
            record.tags.join(", "),
        ]
    });
    table(&["key", "value", "created", "modified", "version", "tags"], rows)
}

/// A record as JSON: the fields of the API, with absent ones left out.
pub fn record_json(record: &Record, hex: bool) -> Value {
    let mut object = Map::new();
    bytes::put_json(&mut object, "key", &record.key, hex);
    bytes::put_json(&mut object, "value", &record.value, hex);
    object.insert("create_revision".to_owned(), record.create_revision.into());
    object.insert("mod_revision".to_owned(), record.mod_revision.into());
    object.insert("version".to_owned(), record.version.into());
    if let Some(lease) = record.lease {
        object.insert("lease".to_owned(), lease.into());
    }
    if let Some(at) = record.expires_at_ms {
        object.insert("expires_at_ms".to_owned(), at.into());
    }
    if !record.tags.is_empty() {
        object.insert("tags".to_owned(), record.tags.clone().into());
    }
    Value::Object(object)
}

/// Records as a JSON list.
pub fn records_json(records: &[Record], hex: bool) -> Value {
    records.iter().map(|record| record_json(record, hex)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            key: "a/b".into(),
            value: vec![0xff, b'x'].into(),
            create_revision: 2,
            mod_revision: 5,
            version: 3,
            tags: vec!["red".to_owned()],
            ..Record::default()
        }
    }

    #[test]
    fn a_record_becomes_a_json_object_without_absent_fields() {
        let expected = serde_json::json!({
            "key": "a/b", "value_hex": "ff78", "create_revision": 2, "mod_revision": 5, "version": 3, "tags": ["red"],
        });
        assert_eq!(record_json(&record(), false), expected);
    }

    #[test]
    fn a_record_becomes_a_row() {
        let text = record_table(&[record()], false);
        let row = text.lines().find(|line| line.contains("a/b")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["a/b", "\\xffx", "2", "5", "3", "red"]);
    }
}
