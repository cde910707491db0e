//! What is held under a lease goes at the revision at which the lease ends, and for no other lease; nothing is granted to
//! a lease that does not live.

use quorate_proto::v1::LockFreedReason;

use super::super::history::History;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for granted in &history.holds.all {
        let life = history.lives.get(granted.hold.lease);
        let Some(life) = life.filter(|life| life.lives_at(granted.revision)) else {
            found.push(format!("{granted:?} is granted to a lease that is {life:?}"));
            continue;
        };
        let ended = life.ended.map(|end| end.revision);
        let by_lease = granted.freed.filter(|(_, why)| *why == LockFreedReason::LeaseEnded);
        let wrong = match (ended, granted.freed) {
            // It outlives its lease.
            (Some(ended), None) => ended > 0,
            (Some(ended), Some((freed, _))) if freed > ended => true,
            // It goes with its lease, which does not go.
            (ended, Some((freed, _))) => by_lease.is_some() && ended != Some(freed),
            (None, None) => false,
        };
        if wrong {
            found.push(format!("{granted:?}, and its lease is {life:?}"));
        }
    }
    found
}
