//! Every call is in the log as often as its client was told.
//!
//! What was acknowledged is there once, at the revision of the answer; what is of unknown outcome once or not at all; what was
//! not done, or lost its compare, not. A transaction is there with both of its keys at one revision. A swap compares a
//! revision that its client knows to be the newest, so that one that loses has lost to itself. Times are held too.

use std::collections::BTreeMap;

use super::super::order::{self, Effect};
use super::super::timeline::Timeline;
use super::{PREFIX, RetryAnswer, RetryCall, key, other_key};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

type Retry = Operation<RetryCall, RetryAnswer>;

/// Each value with the keys and revisions at which it is.
type Applied = BTreeMap<String, Vec<(String, u64)>>;

pub(super) fn check(operations: &[Retry], truth: &Truth) -> Verdict {
    let mut applied = applied(truth);
    let (mut lost, mut retries, mut unknown) = (0, 0, 0);
    let order = order::check(operations, |_, operation| effect(operation, &applied));
    let mut checked = order;
    for operation in operations {
        if let Answer::Done(RetryAnswer::Lost { retries: more, .. }) = operation.answer {
            lost += 1;
            retries += more;
        }
        unknown += u64::from(operation.answer == Answer::Unknown);
        checked = checked.and_then(|()| check_operation(operation, &mut applied));
    }
    if let Some((value, places)) = applied.first_key_value() {
        checked = checked.and(Err(format!("nobody wrote {value:?}, which is at {places:?}")));
    }
    match checked {
        Err(illegal) => Verdict::Illegal(illegal),
        Ok(()) if retries == 0 => Verdict::Unknown(format!("replies were lost {lost} times, and nothing was repeated")),
        Ok(()) => Verdict::Ok(format!(
            "replies lost {lost} times, {retries} calls repeated, each applied once; {unknown} of unknown outcome"
        )),
    }
}

fn applied(truth: &Truth) -> Applied {
    let mut applied = Applied::new();
    for (key, points) in Timeline::of(truth, PREFIX).keys() {
        for point in points {
            let value = point
                .value
                .as_deref()
                .map_or("", |value| std::str::from_utf8(value).unwrap_or(""));
            let places = applied.entry(value.to_owned()).or_default();
            places.push((String::from_utf8_lossy(key).into_owned(), point.revision));
        }
    }
    applied
}

fn value(call: &RetryCall) -> Option<&str> {
    match call {
        RetryCall::Put { value } | RetryCall::Swap { value, .. } | RetryCall::Transaction { value } => Some(value),
        RetryCall::LoseReplies => None,
    }
}

fn effect(operation: &Retry, applied: &Applied) -> Option<Effect> {
    let (revision, writes) = match operation.answer {
        Answer::Done(RetryAnswer::Written { revision }) => (revision, true),
        Answer::Done(RetryAnswer::Unchanged { revision }) => (revision, false),
        Answer::Unknown => (applied.get(value(&operation.call)?)?.first()?.1, true),
        Answer::Done(RetryAnswer::Lost { .. }) | Answer::NotDone => return None,
    };
    Some(Effect { revision, writes })
}

/// Takes what it wrote out of `applied`.
fn check_operation(operation: &Retry, applied: &mut Applied) -> Result<(), String> {
    let Some(value) = value(&operation.call) else {
        return Ok(());
    };
    let places = applied.remove(value).unwrap_or_default();
    let of = operation.client;
    let keys = match operation.call {
        RetryCall::Transaction { .. } => vec![key(of), other_key(of)],
        _ => vec![key(of)],
    };
    let once = |revision: u64| -> Vec<(String, u64)> { keys.iter().map(|key| (key.clone(), revision)).collect() };
    let wrong = |what: &str| Err(format!("{what}: the log has it at {places:?}: {operation:?}"));
    let first = places.first().map(|(_, revision)| *revision);
    if places.len() > keys.len() {
        return wrong("applied twice");
    }
    match (&operation.answer, first) {
        (Answer::Done(RetryAnswer::Unchanged { .. }), _) => wrong("a swap lost to nobody"),
        (Answer::Done(RetryAnswer::Written { revision }), _) if places != once(*revision) => {
            wrong("not as acknowledged")
        }
        (Answer::NotDone, Some(_)) => wrong("applied although refused"),
        (Answer::Unknown, Some(revision)) if places != once(revision) => wrong("torn"),
        _ => Ok(()),
    }
}
