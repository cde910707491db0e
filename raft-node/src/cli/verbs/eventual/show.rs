//! Entries as people and programs read them.

use std::time::Duration;

use quorate::{Client, EventualEntry, EventualSibling, EventualType, EventualWritten};
use serde_json::{Map, Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// An entry as JSON; what its type does not have is left out.
pub(super) fn entry_json(entry: &EventualEntry, hex: bool) -> Value {
    let mut object = Map::new();
    bytes::put_json(&mut object, "key", &entry.key, hex);
    object.insert("type".to_owned(), entry.entry_type.name().into());
    match entry.entry_type {
        EventualType::Counter => drop(object.insert("counter".to_owned(), entry.counter.into())),
        EventualType::Flag => drop(object.insert("flag".to_owned(), entry.flag.into())),
        EventualType::Set => {
            let members = entry.members.iter().map(|member| bytes::shown_whole(member, hex));
            object.insert("members".to_owned(), members.collect());
        }
        EventualType::Map => {
            let fields = entry.fields.iter();
            let fields = fields.map(|(name, value)| {
                let whole = |part| bytes::shown_whole(part, hex);
                json!({ "name": whole(name), "value": whole(value) })
            });
            object.insert("fields".to_owned(), fields.collect());
        }
        _ => {
            bytes::put_json(&mut object, "value", &entry.value, hex);
            object.insert(
                "strategy".to_owned(),
                entry.strategy.map(|strategy| strategy.name()).into(),
            );
            object.insert("discarded".to_owned(), entry.discarded.into());
            let siblings = entry.siblings.iter().map(|sibling| sibling_json(sibling, hex));
            object.insert("siblings".to_owned(), siblings.collect());
        }
    }
    object.insert("context_hex".to_owned(), bytes::to_hex(entry.context.as_bytes()).into());
    object.insert("written_at_ms".to_owned(), entry.written_at_ms.into());
    if let Some(at) = entry.expires_at_ms {
        object.insert("expires_at_ms".to_owned(), at.into());
    }
    Value::Object(object)
}

pub(super) fn sibling_json(sibling: &EventualSibling, hex: bool) -> Value {
    let mut object = Map::new();
    bytes::put_json(&mut object, "value", &sibling.value, hex);
    object.insert("written_at_ms".to_owned(), sibling.written_at_ms.into());
    object.insert("process".to_owned(), format!("{:016x}", sibling.process).into());
    object.insert("number".to_owned(), sibling.number.into());
    Value::Object(object)
}

/// Entries as a table.
pub(super) fn entry_table(entries: &[EventualEntry], hex: bool) -> String {
    let rows = entries.iter().map(|entry| {
        vec![
            bytes::shown(&entry.key, hex),
            entry.entry_type.name().to_owned(),
            content(entry, hex),
            entry
                .strategy
                .map_or_else(String::new, |strategy| strategy.name().to_owned()),
            count(entry.siblings.len() as u64),
            count(entry.discarded.into()),
        ]
    });
    output::table(&["key", "type", "value", "strategy", "siblings", "discarded"], rows)
}

/// What an entry holds, in one cell.
fn content(entry: &EventualEntry, hex: bool) -> String {
    match entry.entry_type {
        EventualType::Counter => entry.counter.to_string(),
        EventualType::Flag => if entry.flag { "on" } else { "off" }.to_owned(),
        EventualType::Set => {
            let members: Vec<String> = entry.members.iter().map(|member| bytes::shown(member, hex)).collect();
            members.join(", ")
        }
        EventualType::Map => {
            let fields = entry.fields.iter();
            let fields =
                fields.map(|(name, value)| format!("{}={}", bytes::shown(name, hex), bytes::shown(value, hex)));
            fields.collect::<Vec<String>>().join(", ")
        }
        _ => bytes::shown(&entry.value, hex),
    }
}

/// Nothing is worth no digit.
fn count(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

/// How old an answer may be.
pub(super) fn age_json(age: Option<Duration>) -> Value {
    age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)).into()
}

/// The result of a write.
pub(super) fn show_written(written: &EventualWritten, client: &Client, global: &Global) -> Result<Exit, Failure> {
    let json = json!({
        "superseded": written.superseded,
        "siblings": written.siblings,
        "context_hex": bytes::to_hex(written.context.as_bytes()),
        "acked": written.acked,
        "member": written.member,
        "token": client.causal_token().to_string(),
    });
    global.output.show(&json, || {
        let done = if written.superseded {
            "changes nothing"
        } else {
            "written"
        };
        let beside = match written.siblings {
            0 | 1 => String::new(),
            siblings => format!("; {siblings} values stand beside each other"),
        };
        format!(
            "{done} at member {}; members that have it: {}{beside}",
            written.member, written.acked
        )
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use quorate::Strategy;

    use super::*;

    fn entry(entry_type: EventualType) -> EventualEntry {
        let mut entry = EventualEntry::default();
        entry.key = "k".into();
        entry.entry_type = entry_type;
        entry.value = vec![0xff].into();
        entry.strategy = Some(Strategy::Siblings);
        entry.counter = -3;
        entry.members = vec!["a".into(), "b".into()];
        entry.fields = vec![("x".into(), "1".into())];
        entry.flag = true;
        entry
    }

    #[test]
    fn json_has_what_the_type_has() {
        let json = |entry_type| {
            let mut json = entry_json(&entry(entry_type), false);
            let object = json.as_object_mut().unwrap();
            for common in ["key", "type", "context_hex", "written_at_ms"] {
                assert!(object.remove(common).is_some(), "{common}");
            }
            json
        };
        assert_eq!(json(EventualType::Counter), json!({ "counter": -3 }));
        assert_eq!(json(EventualType::Flag), json!({ "flag": true }));
        assert_eq!(json(EventualType::Set), json!({ "members": ["a", "b"] }));
        assert_eq!(
            json(EventualType::Map),
            json!({ "fields": [{ "name": "x", "value": "1" }] })
        );
        let register = json!({ "value_hex": "ff", "strategy": "siblings", "discarded": 0, "siblings": [] });
        assert_eq!(json(EventualType::Register), register);
    }

    #[test]
    fn a_row_shows_the_content_of_each_type() {
        let types = [
            EventualType::Register,
            EventualType::Counter,
            EventualType::Set,
            EventualType::Map,
            EventualType::Flag,
        ];
        let shown = types.map(|entry_type| content(&entry(entry_type), false));
        assert_eq!(shown, ["\\xff", "-3", "a, b", "x=1", "on"]);
    }
}
