//! What lies outside of the store takes writes in the order of tokens, if it refuses smaller ones, and refuses none of a
//! holder that is certain.

use std::collections::BTreeMap;

use quorate_proto::v1::LockFreedReason;

use super::super::history::History;
use super::super::record::{Call, Done, Hold};
use crate::journal::Answer;

/// A write as the resource saw it.
struct Write<'a> {
    order: u64,
    hold: &'a Hold,
    accepted: bool,
    certain: bool,
}

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (lock, writes) in writes(history, true) {
        let mut greatest = 0;
        for write in writes {
            let Write {
                order,
                hold,
                accepted,
                certain,
            } = write;
            let token = hold.token;
            if accepted && token < greatest {
                found.push(format!("write {order} of {lock:?} has token {token}, after {greatest}"));
            }
            if !accepted && token >= greatest {
                found.push(format!(
                    "write {order} of {lock:?} is refused with token {token}, after {greatest}"
                ));
            }
            if !accepted && certain {
                found.push(format!(
                    "write {order} of {lock:?} is refused, and its holder is certain: {hold:?}"
                ));
            }
            if accepted {
                greatest = greatest.max(token);
            }
        }
    }
    found
}

/// Writes that came too late, to what is not fenced: it took them.
pub fn late_writes(history: &History<'_>) -> u64 {
    let mut late = 0;
    for writes in writes(history, false).into_values() {
        let mut greatest = 0;
        for write in writes {
            late += u64::from(write.hold.token < greatest);
            greatest = greatest.max(write.hold.token);
        }
    }
    late
}

/// Those of each lock, in the order in which the resource saw them.
fn writes<'a>(history: &History<'a>, of_fenced: bool) -> BTreeMap<&'a str, Vec<Write<'a>>> {
    let mut locks: BTreeMap<&str, Vec<Write<'_>>> = BTreeMap::new();
    for operation in history.operations {
        let (
            Call::Write { hold, fenced },
            Answer::Done(Done::Asked {
                order,
                accepted,
                certain_until,
            }),
        ) = (&operation.call, &operation.answer)
        else {
            continue;
        };
        if *fenced == of_fenced {
            locks.entry(&hold.lock).or_default().push(Write {
                order: *order,
                hold,
                accepted: *accepted,
                certain: *certain_until > operation.returned && !was_forced(history, hold),
            });
        }
    }
    for writes in locks.values_mut() {
        writes.sort_by_key(|write| write.order);
    }
    locks
}

/// Nobody tells a holder that its hold was ended by force.
fn was_forced(history: &History<'_>, hold: &Hold) -> bool {
    let freed = history.holds.get(hold).and_then(|granted| granted.freed);
    freed.is_some_and(|(_, why)| why == LockFreedReason::Forced)
}
