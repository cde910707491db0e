//! What clients were told is what happened: whatever was acknowledged is in the truth, a lease that certainly lived is not
//! denied, and one that was certainly gone is neither renewed nor shown.

use std::time::Duration;

use super::super::history::{History, Promise};
use super::super::lives::End;
use super::super::record::{Call, Done, LeaseOperation};
use crate::journal::Answer;
use crate::watch_check::{Event, KeyKind};

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

fn wrong(history: &History<'_>, operation: &LeaseOperation, done: &Done) -> Option<String> {
    match (&operation.call, done) {
        (Call::Grant { .. }, Done::Granted { lease, revision, .. }) => {
            let life = history.lives.get(*lease);
            let there = life.is_some_and(|life| life.granted == *revision);
            (!there).then(|| format!("the truth has {life:?}"))
        }
        (Call::Revoke { lease }, Done::Revoked { revision }) => {
            let end = history.lives.get(*lease).and_then(|life| life.ended);
            let expected = End {
                revision: *revision,
                expired: false,
            };
            (end != Some(expected)).then(|| format!("the truth has {end:?}"))
        }
        (Call::Attach { lease, key }, Done::Attached { revision }) => {
            let attached = history.truth.events(*revision).iter().any(|event| match event {
                Event::Key(event) => {
                    event.kind == KeyKind::Put && event.record.key == key.as_bytes() && event.record.lease == *lease
                }
                Event::Other(_) => false,
            });
            (!attached).then(|| format!("the truth has {:?}", history.truth.events(*revision)))
        }
        (Call::KeepAlive { lease }, Done::Renewed { .. }) | (Call::Look { lease }, Done::Lives) => {
            gone_before(history, *lease, operation.invoked)
        }
        (Call::KeepAlive { lease }, Done::Dead) => denied(history, *lease, operation.returned),
        (Call::Look { lease } | Call::Revoke { lease } | Call::Attach { lease, .. }, Done::Dead) => {
            there_until(history, *lease, operation.returned)
        }
        _ => Some("this is no answer to that".to_owned()),
    }
}

/// It was certainly gone at that moment.
fn gone_before(history: &History<'_>, lease: u64, moment: Duration) -> Option<String> {
    let Some(life) = history.lives.get(lease) else {
        return Some("there never was such a lease".to_owned());
    };
    let end = life.ended?;
    let gone = history.moments.latest(end.revision);
    (gone < moment).then(|| format!("it ended at revision {}, which was there at {gone:?}", end.revision))
}

/// It certainly lived until that moment.
fn there_until(history: &History<'_>, lease: u64, moment: Duration) -> Option<String> {
    let life = history.lives.get(lease)?;
    let Some(end) = life.ended else {
        return Some("it never ended".to_owned());
    };
    let earliest = history.moments.earliest(end.revision);
    (earliest > moment).then(|| format!("it ended at revision {}, not before {earliest:?}", end.revision))
}

/// It certainly lived until that moment, and somebody had been told that it would live on. From when the end of a lease
/// is proposed it is not renewed, even if the proposal comes to nothing; but nobody proposes that before its time.
fn denied(history: &History<'_>, lease: u64, moment: Duration) -> Option<String> {
    let before = history
        .promises_of(lease)
        .iter()
        .filter(|promise| promise.sent <= moment);
    let until = before.map(Promise::certain_until).max()?;
    let what = there_until(history, lease, moment)?;
    (moment < until).then(|| format!("it was to live until {until:?}, and {what}"))
}
