//! Clients that take their tokens along.

use std::collections::BTreeMap;

use super::violation;
use crate::eventual_check::record::{History, Hop, HopRead, Kill};
use crate::eventual_check::verdict::{Property, Violation};

/// What a reader may not go back behind.
#[derive(Clone, Copy, Default)]
struct Floor {
    read: u64,
    /// What it had written when its context was lost is not owed to it.
    forgiven: u64,
}

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut floors: BTreeMap<u64, Floor> = BTreeMap::new();
    let mut hops: Vec<&Hop> = history.hops.iter().collect();
    hops.sort_by_key(|hop| hop.began_us);
    for hop in hops {
        let floor = floors.entry(hop.reader).or_default();
        match hop.read {
            HopRead::Number(number) => {
                let written = if hop.wrote > floor.forgiven { hop.wrote } else { 0 };
                let least = floor.read.max(written);
                if number < least || number > hop.tried {
                    let what = format!("{number} was read, at least {least} was owed: {hop:?}");
                    violations.push(violation(Property::Session, what));
                }
                floor.read = number.max(floor.read);
            }
            HopRead::ContextLost => {
                let before = |kill: &Kill| kill.began_us <= hop.ended_us;
                if !history.kills.iter().any(before) {
                    let what = format!("nobody had lost anything: {hop:?}");
                    violations.push(violation(Property::Session, what));
                }
                *floor = Floor {
                    read: 0,
                    forgiven: hop.wrote,
                };
            }
            HopRead::NotNow(_) => {}
        }
    }
    violations
}
