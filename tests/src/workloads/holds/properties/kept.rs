//! A hold ends only because its holder wanted that, because somebody forced it, or with its lease; and while its holder is
//! certain, by its own clock, its lease does not expire.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_proto::v1::LockFreedReason;

use super::super::history::History;
use super::super::record::{Call, Hold};
use super::super::truth::Granted;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let wishes = Wishes::of(history);
    for granted in &history.holds.all {
        let Some((freed, why)) = granted.freed else { continue };
        let wanted = match why {
            LockFreedReason::Released => wishes.released(granted),
            LockFreedReason::Forced => wishes.forced(granted),
            // The lease says whether it may end.
            LockFreedReason::LeaseEnded => Some(Duration::ZERO),
            LockFreedReason::Unspecified | LockFreedReason::Refused => None,
        };
        if wanted.is_none_or(|asked| asked > history.moments.latest(freed)) {
            found.push(format!("nobody wanted that by then: {granted:?}"));
        }
    }
    for (operation, hold, until) in history.certainties() {
        let life = history.lives.get(hold.lease);
        let Some(end) = life.and_then(|life| life.ended) else {
            continue;
        };
        let gone = history.moments.latest(end.revision);
        if end.expired && gone < until {
            found.push(format!(
                "its lease expired at revision {}, which was there at {gone:?}: {operation:?}",
                end.revision
            ));
        }
    }
    found
}

/// Who wanted which hold to end, and from when on.
struct Wishes<'a> {
    answered: BTreeSet<&'a Hold>,
    released: BTreeMap<&'a Hold, Duration>,
    forced: BTreeMap<(&'a str, u64), Duration>,
}

impl<'a> Wishes<'a> {
    fn of(history: &History<'a>) -> Wishes<'a> {
        let mut wishes = Wishes {
            answered: history.certainties().map(|(_, hold, _)| hold).collect(),
            released: BTreeMap::new(),
            forced: BTreeMap::new(),
        };
        for operation in history.operations {
            let wish = match &operation.call {
                Call::Release { hold } => wishes.released.entry(hold).or_insert(operation.invoked),
                Call::Force { lock, token } => wishes.forced.entry((lock, *token)).or_insert(operation.invoked),
                _ => continue,
            };
            *wish = (*wish).min(operation.invoked);
        }
        wishes
    }

    fn released(&self, granted: &Granted) -> Option<Duration> {
        match self.answered.contains(&granted.hold) {
            true => self.released.get(&granted.hold).copied(),
            // The SDK gives up what it does not tell anybody.
            false => Some(Duration::ZERO),
        }
    }

    fn forced(&self, granted: &Granted) -> Option<Duration> {
        let forced = (granted.hold.lock.as_str(), granted.hold.token);
        self.forced.get(&forced).copied()
    }
}
