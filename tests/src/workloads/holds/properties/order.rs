//! Who waits for a lock is served before whoever asks for it later.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::History;
use super::super::record::{Call, Done};
use super::super::truth::Granted;
use crate::journal::Answer;

/// Who asked: lease and request.
type Asked = (u64, u64);

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let queued = queued(history);
    let mut found = Vec::new();
    for (lock, holds) in history.holds.by_lock() {
        // From the last grant to the first, the earliest place in the queue of all that were served later.
        let mut overtaken: Option<(u64, &Granted)> = None;
        for granted in holds.into_iter().rev() {
            let asked = (granted.hold.lease, granted.hold.request);
            let place = queued.get(&(lock, asked)).copied();
            // Who did not wait asked at the revision of its grant.
            let since = match (place, granted.waited) {
                (Some(place), _) => Some(place.revision).filter(|_| !place.doubtful),
                (None, false) => Some(granted.revision),
                (None, true) => None,
            };
            if let (Some(since), Some((earlier, later))) = (since, overtaken)
                && earlier < since
                && granted.revision < later.revision
            {
                found.push(format!(
                    "{later:?} waits for {lock:?} since revision {earlier}, and {granted:?}, which asked at {since}, is served \
                     before it"
                ));
            }
            if let Some(place) = place
                && overtaken.is_none_or(|(earlier, _)| place.revision < earlier)
            {
                overtaken = Some((place.revision, granted));
            }
        }
    }
    found
}

/// A place in a queue.
#[derive(Clone, Copy)]
struct Place {
    /// It was taken then, or before if that is doubtful.
    revision: u64,
    doubtful: bool,
}

/// The place of each acquisition that was told that it waits; a repeated question has the place that it had.
fn queued<'a>(history: &History<'a>) -> BTreeMap<(&'a str, Asked), Place> {
    let mut queued: BTreeMap<(&str, Asked), Place> = BTreeMap::new();
    let mut doubtful = BTreeSet::new();
    for operation in history.operations {
        let Call::Ask {
            lock, lease, request, ..
        } = &operation.call
        else {
            continue;
        };
        let asked = (lock.as_str(), (*lease, *request));
        match operation.answer {
            Answer::Done(Done::Queued { revision }) => {
                let place = Place {
                    revision,
                    doubtful: doubtful.contains(&asked),
                };
                queued.entry(asked).or_insert(place);
            }
            // It may have its place since then.
            Answer::Unknown => {
                doubtful.insert(asked);
            }
            _ => {}
        }
    }
    queued
}
