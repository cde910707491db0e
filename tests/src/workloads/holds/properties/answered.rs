//! What clients were told is what happened: a hold that was answered was granted by then, one that was given back has
//! ended by then, and one that certainly lived is not denied.

use std::time::Duration;

use super::super::history::History;
use super::super::record::{Call, Done, Hold, HoldOperation};
use crate::journal::Answer;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let wrong = history.operations.iter().filter_map(|operation| {
        let Answer::Done(done) = &operation.answer else {
            return None;
        };
        let what = wrong(history, operation, done)?;
        Some(format!("{what}: {operation:?}"))
    });
    wrong.collect()
}

fn wrong(history: &History<'_>, operation: &HoldOperation, done: &Done) -> Option<String> {
    match (&operation.call, done) {
        (Call::Acquire { .. } | Call::Ask { .. } | Call::Await { .. }, Done::Held { hold, .. }) => {
            let asked = match &operation.call {
                Call::Ask { lease, request, .. } | Call::Await { lease, request, .. } => {
                    (hold.lease, hold.request) == (*lease, *request)
                }
                _ => true,
            };
            let lock = operation.call.wanted().map(|(lock, _)| lock);
            if !asked || lock != Some(hold.lock.as_str()) {
                return Some("it was granted something else".to_owned());
            }
            let Some(granted) = history.holds.get(hold) else {
                return Some("the truth has no such hold".to_owned());
            };
            let earliest = history.moments.earliest(granted.revision);
            (earliest > operation.returned).then(|| format!("it was granted not before {earliest:?}"))
        }
        (Call::Release { hold }, Done::Released) => lives_after(history, hold, operation.returned),
        (Call::Renew { hold }, Done::Stands { .. }) => gone_before(history, hold, operation.invoked),
        (Call::Renew { hold } | Call::Put { hold } | Call::Release { hold }, Done::Fenced) => {
            lives_after(history, hold, operation.returned)
        }
        _ => None,
    }
}

/// It certainly lives at that moment.
fn lives_after(history: &History<'_>, hold: &Hold, moment: Duration) -> Option<String> {
    let granted = history.holds.get(hold)?;
    let Some((freed, _)) = granted.freed else {
        return Some("the hold never ended".to_owned());
    };
    let earliest = history.moments.earliest(freed);
    (earliest > moment).then(|| format!("the hold ended at revision {freed}, not before {earliest:?}"))
}

/// It was certainly over at that moment.
fn gone_before(history: &History<'_>, hold: &Hold, moment: Duration) -> Option<String> {
    let Some(granted) = history.holds.get(hold) else {
        return Some("the truth has no such hold".to_owned());
    };
    let (freed, _) = granted.freed?;
    let latest = history.moments.latest(freed);
    (latest < moment).then(|| format!("the hold ended at revision {freed}, which was there at {latest:?}"))
}
