//! Sets.

use super::violation;
use crate::eventual_check::record::{Change, History, Kind, Write};
use crate::eventual_check::verdict::{Property, Violation};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, writes) in history.by_key(Kind::Set) {
        let members = history.held(key).members;
        for write in &writes {
            let Change::Insert(member) = &write.change else {
                continue;
            };
            let removals: Vec<&&Write> = writes
                .iter()
                .filter(|other| matches!(&other.change, Change::Remove(removed) if removed == member))
                .collect();
            let there = members.contains(member);
            let tried = removals.iter().any(|removal| removal.is_possible());
            if !there && !tried && history.survives(write) {
                violations.push(violation(Property::Members, format!("gone from {key:?}: {write:?}")));
            }
            // One that may have been sent twice may have been done after its removal.
            let removed = removals
                .iter()
                .find(|removal| write.once && knew(history, write, removal) && history.survives(removal));
            if let Some(removal) = removed.filter(|_| there) {
                let what = format!("{member} is in {key:?} though it was removed: {removal:?}");
                violations.push(violation(Property::Members, what));
            }
        }
        let added = |member: &String| {
            writes
                .iter()
                .any(|write| write.is_possible() && matches!(&write.change, Change::Insert(added) if added == member))
        };
        for member in members.iter().filter(|member| !added(member)) {
            violations.push(violation(Property::Real, format!("nobody added {member} to {key:?}")));
        }
    }
    violations
}

/// The removal took place where the addition had.
fn knew(history: &History, write: &Write, removal: &Write) -> bool {
    write.acked() > 0 && write.ended_us < removal.began_us && history.same_process(write, removal)
}
