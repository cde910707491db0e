//! At no moment are two certain, each by its own clock, that they hold what only one may hold, nor several of more permits
//! than there are. A hold is certain from when it was answered until its deadline, or until its holder gives it back.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_proto::v1::LockFreedReason;

use super::super::history::History;
use super::super::record::{Call, Hold};
use super::super::truth::Granted;

/// From when to when somebody was certain.
#[derive(Clone, Debug)]
struct Certain<'a> {
    granted: &'a Granted,
    from: Duration,
    until: Duration,
}

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let permits = history.permits();
    let mut found = Vec::new();
    for (lock, mut certain) in by_lock(history) {
        certain.sort_by_key(|certain| certain.from);
        let mut together: Vec<Certain<'_>> = Vec::new();
        for one in certain {
            together.retain(|other| other.until > one.from);
            together.push(one);
            let taken: u64 = together.iter().map(|certain| u64::from(certain.granted.count)).sum();
            let too_many = permits.get(lock).is_some_and(|permits| taken > u64::from(*permits));
            let not_alone = together.len() > 1 && together.iter().any(|certain| certain.granted.exclusive);
            if too_many || not_alone {
                found.push(format!("{lock:?} was held at the same moment by {together:?}"));
            }
        }
    }
    found
}

fn by_lock<'a>(history: &'a History<'_>) -> BTreeMap<&'a str, Vec<Certain<'a>>> {
    let mut spans: BTreeMap<&Hold, (Duration, Duration)> = BTreeMap::new();
    for (operation, hold, until) in history.certainties() {
        let span = spans.entry(hold).or_insert((operation.returned, until));
        *span = (span.0.min(operation.returned), span.1.max(until));
    }
    for operation in history.operations {
        if let Call::Release { hold } = &operation.call
            && let Some(span) = spans.get_mut(hold)
        {
            span.1 = span.1.min(operation.invoked);
        }
    }
    let mut locks: BTreeMap<&str, Vec<Certain<'_>>> = BTreeMap::new();
    for (hold, (from, until)) in spans {
        let Some(granted) = history.holds.get(hold) else {
            continue;
        };
        // Nobody tells a holder that its hold was ended by force.
        let until = match granted.freed {
            Some((freed, LockFreedReason::Forced)) => until.min(history.moments.earliest(freed)),
            _ => until,
        };
        if from < until {
            locks
                .entry(&hold.lock)
                .or_default()
                .push(Certain { granted, from, until });
        }
    }
    locks
}
