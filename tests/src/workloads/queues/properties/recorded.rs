//! What is done in the transaction of an acknowledgement is done once, and exactly then.

use std::collections::BTreeMap;

use super::super::history::History;
use super::super::truth::State;
use crate::watch_check::{Event, KeyKind};

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut recorded: BTreeMap<u64, u64> = BTreeMap::new();
    for (revision, events) in history.truth.between(0, history.truth.last()) {
        for event in events {
            let Event::Key(event) = event else { continue };
            let key = std::str::from_utf8(&event.record.key).unwrap_or_default();
            let Some(item) = key.strip_prefix(history.keys) else {
                continue;
            };
            let item = item.parse().ok().filter(|_| event.kind == KeyKind::Put);
            let Some(item) = item else {
                found.push(format!("revision {revision} records {key:?}: {event:?}"));
                continue;
            };
            if let Some(before) = recorded.insert(item, revision) {
                found.push(format!(
                    "item {item} is recorded at revision {revision}, and was at {before}"
                ));
            }
        }
    }
    for (item, life) in &history.items.all {
        let acked = match life.state {
            State::Acked(revision) => Some(revision),
            _ => None,
        };
        if recorded.get(item).copied() != acked {
            found.push(format!(
                "item {item} is recorded at {:?}, and {life:?}",
                recorded.get(item)
            ));
        }
    }
    found
}
