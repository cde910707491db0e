//! A lease that nobody renews ends: after its time to live, and for each fault meanwhile after as long as that went on, the
//! time that an election takes, and its time to live once more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::history::History;
use super::super::lives::End;
use super::super::record::{Call, Done};
use crate::journal::Answer;

/// For the expiry to be noticed, proposed and applied by a busy machine.
pub const SLACK: Duration = Duration::from_secs(10);

/// For an election, after each fault that may have needed one.
const ELECTION: Duration = Duration::from_secs(5);

/// How long after the last renewal a lease may live that expires.
struct Due {
    /// The last moment at which something may have renewed it.
    renewed: Duration,
    /// Not later than this after that.
    within: Duration,
}

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let renewals = renewals(history);
    for (lease, seen, end) in still_there(history) {
        let Some(due) = due(history, &renewals, lease, seen) else {
            continue;
        };
        if seen > due.renewed + due.within {
            found.push(format!(
                "lease {lease} was renewed at {:?} for the last time, was due within {:?}, and was there at {seen:?}: {end:?}",
                due.renewed, due.within
            ));
        }
    }
    found
}

/// The longest that a lease lived after its time to live was over, as far as can be told.
pub fn worst(history: &History<'_>) -> Duration {
    let renewals = renewals(history);
    let overtimes = still_there(history).into_iter().filter_map(|(lease, seen, _)| {
        let life = history.lives.get(lease)?;
        Some(seen.saturating_sub(*renewals.get(&lease)? + life.ttl))
    });
    overtimes.max().unwrap_or_default()
}

/// Leases that expired, or did not end, with a moment at which they certainly lived.
fn still_there(history: &History<'_>) -> Vec<(u64, Duration, Option<End>)> {
    let leases = history.lives.iter().filter_map(|(lease, life)| match life.ended {
        Some(end) if end.expired => Some((lease, history.moments.earliest(end.revision), life.ended)),
        Some(_revoked) => None,
        None => Some((lease, history.moments.last_call(), None)),
    });
    leases.collect()
}

fn due(history: &History<'_>, renewals: &BTreeMap<u64, Duration>, lease: u64, seen: Duration) -> Option<Due> {
    let ttl = history.lives.get(lease)?.ttl;
    let renewed = *renewals.get(&lease)?;
    // What happened to a member before may still have needed an election.
    let faults = history.faults.iter();
    let faults = faults.filter(|(began, ended)| *began <= seen && *ended + ELECTION >= renewed);
    let cost = faults.map(|(began, ended)| {
        let meanwhile = (*ended).min(seen).saturating_sub((*began).max(renewed));
        meanwhile + ELECTION + ttl
    });
    Some(Due {
        renewed,
        within: ttl + SLACK + cost.sum::<Duration>(),
    })
}

/// The last moment at which a call may have renewed each lease of this workload.
fn renewals(history: &History<'_>) -> BTreeMap<u64, Duration> {
    let mut last: BTreeMap<u64, Duration> = BTreeMap::new();
    for operation in history.operations {
        let lease = match (&operation.call, &operation.answer) {
            (Call::Grant { .. }, Answer::Done(Done::Granted { lease, .. })) => *lease,
            (Call::KeepAlive { lease }, Answer::Done(Done::Renewed { .. }) | Answer::Unknown) => *lease,
            _ => continue,
        };
        let at = last.entry(lease).or_default();
        *at = (*at).max(operation.returned);
    }
    last
}
