//! Registers whose values become one.

use std::collections::BTreeSet;

use super::violation;
use crate::eventual_check::record::{Change, History, Key, Kind, Write};
use crate::eventual_check::verdict::{Property, Violation};

fn value(write: &Write) -> Option<&str> {
    match &write.change {
        Change::Put { value, .. } => Some(value),
        _ => None,
    }
}

/// The second was written where the first was known. Then it is the newer one.
fn follows(history: &History, first: &Write, second: &Write) -> bool {
    first.ended_us < second.began_us && first.acked() > 0 && history.same_process(first, second)
}

pub(super) fn newest(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, writes) in history.by_key(Kind::LastWrite) {
        let held = history.held(key).values;
        let written = writes
            .iter()
            .find(|write| write.is_possible() && value(write).is_some_and(|value| held.contains(value)));
        match (held.len(), written) {
            (0, _) => {
                if let Some(lost) = writes.iter().find(|write| history.survives(write)) {
                    violations.push(violation(Property::Newest, format!("{key:?} is gone: {lost:?}")));
                }
            }
            (1, Some(write)) => {
                // A write that may have been sent twice may have been done late.
                let newer = writes
                    .iter()
                    .find(|newer| write.once && follows(history, write, newer) && history.survives(newer));
                if let Some(newer) = newer {
                    let what = format!("{key:?} has {write:?}, though {newer:?} came later at the same process");
                    violations.push(violation(Property::Newest, what));
                }
            }
            (1, None) => violations.push(violation(Property::Real, format!("nobody wrote {held:?} to {key:?}"))),
            _ => violations.push(violation(
                Property::Newest,
                format!("{key:?} has more than one value: {held:?}"),
            )),
        }
    }
    violations
}

pub(super) fn joined(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, writes) in history.by_key(Kind::Union) {
        let held = history.held(key).values;
        for write in &writes {
            let there = value(write).is_some_and(|value| held.contains(value));
            // Another put replaces what its member had.
            let other = |other: &&&Write| other.is_possible() && **other != *write && other.ended_us > write.began_us;
            if !there && history.survives(write) && !writes.iter().any(|one| other(&one)) {
                violations.push(violation(Property::Joined, format!("gone from {key:?}: {write:?}")));
            }
        }
        let written: BTreeSet<&str> = writes
            .iter()
            .filter(|write| write.is_possible())
            .filter_map(|write| value(write))
            .collect();
        for element in held.iter().filter(|element| !written.contains(element.as_str())) {
            violations.push(violation(Property::Real, format!("nobody wrote {element} to {key:?}")));
        }
    }
    violations
}

pub(super) fn greatest(history: &History) -> Vec<Violation> {
    let number = |write: &&&Write| value(write).and_then(|value| value.parse::<u64>().ok());
    let mut violations = Vec::new();
    for (key, writes) in history.by_key(Kind::Max) {
        let surviving = writes.iter().filter(|write| history.survives(write));
        let least = surviving.filter_map(|write| number(&write)).max();
        let is = only(history, key);
        if let Some(least) = least
            && is.is_none_or(|is| is < least)
        {
            violations.push(violation(
                Property::Greatest,
                format!("{key:?} has {is:?}, at least {least}"),
            ));
        }
        let written = |is: u64| {
            writes
                .iter()
                .any(|write| write.is_possible() && number(&write) == Some(is))
        };
        if let Some(is) = is
            && !written(is)
        {
            violations.push(violation(Property::Real, format!("nobody wrote {is} to {key:?}")));
        }
    }
    violations
}

fn only(history: &History, key: &Key) -> Option<u64> {
    history.held(key).values.first().and_then(|value| value.parse().ok())
}
