//! Every member has the same.

use std::collections::BTreeSet;

use super::violation;
use crate::eventual_check::record::{History, Key};
use crate::eventual_check::verdict::{Property, Violation};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut states = history.states.iter();
    let Some((first, expected)) = states.next() else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    for (member, state) in states {
        let keys: BTreeSet<&Key> = expected.keys().chain(state.keys()).collect();
        for key in keys {
            let (here, there) = (expected.get(key), state.get(key));
            if here != there {
                let what = format!("{key:?}: member {first} has {here:?}, member {member} has {there:?}");
                violations.push(violation(Property::Equal, what));
            }
        }
    }
    violations
}
