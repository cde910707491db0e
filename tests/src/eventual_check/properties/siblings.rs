//! Values that stand beside each other: none is lost, none that was replaced stays, none comes from nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::violation;
use crate::eventual_check::lost::taken_away;
use crate::eventual_check::record::{Change, History, Key, Kind, Write};
use crate::eventual_check::verdict::{Property, Violation};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let by_key = history.by_key(Kind::Siblings);
    let mut violations = Vec::new();
    for (key, writes) in &by_key {
        let held = history.held(key).values;
        kept(history, key, writes, &held, &mut violations);
        replaced(history, key, writes, &held, &mut violations);
        real(key, writes, &held, &mut violations);
    }
    violations
}

fn kept(history: &History, key: &Key, writes: &[&Write], held: &BTreeSet<String>, found: &mut Vec<Violation>) {
    let away = taken_away(history, key);
    for write in writes {
        let Change::Put { value, .. } = &write.change else {
            continue;
        };
        if !held.contains(value) && !away.contains(value) && history.survives(write) {
            found.push(violation(
                Property::Kept,
                format!("{value} is gone from {key:?}: {write:?}"),
            ));
        }
    }
}

/// A value that may have been sent twice may be there twice, of which a read sees one.
fn replaced(history: &History, key: &Key, writes: &[&Write], held: &BTreeSet<String>, found: &mut Vec<Violation>) {
    let once: BTreeMap<&str, bool> = writes
        .iter()
        .filter_map(|write| match &write.change {
            Change::Put { value, .. } => Some((value.as_str(), write.once)),
            _ => None,
        })
        .collect();
    for write in writes {
        let (over, own) = match &write.change {
            Change::Put {
                value,
                over: Some(over),
            } => (over, Some(value)),
            Change::Delete { over } => (over, None),
            _ => continue,
        };
        // One that is there has replaced what it had read, whatever was said of it.
        let done = history.survives(write) || own.is_some_and(|own| held.contains(own));
        let stays = over
            .iter()
            .find(|value| held.contains(*value) && once.get(value.as_str()).copied().unwrap_or(false));
        if let Some(value) = stays.filter(|_| done) {
            found.push(violation(
                Property::Replaced,
                format!("{value} is still there under {key:?}, but was replaced: {write:?}"),
            ));
        }
    }
}

fn real(key: &Key, writes: &[&Write], held: &BTreeSet<String>, found: &mut Vec<Violation>) {
    let written: BTreeSet<&String> = writes
        .iter()
        .filter(|write| write.is_possible())
        .filter_map(|write| match &write.change {
            Change::Put { value, .. } => Some(value),
            _ => None,
        })
        .collect();
    for value in held.iter().filter(|value| !written.contains(value)) {
        found.push(violation(Property::Real, format!("nobody wrote {value} to {key:?}")));
    }
}
