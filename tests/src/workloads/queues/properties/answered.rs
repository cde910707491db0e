//! What clients were told is what happened: what was pushed is there, what was claimed was theirs, and no receipt that
//! certainly holds is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::history::History;
use super::super::record::{Call, Claimed, Done, QueueOperation, Receipt, Work};
use super::super::truth::{Ended, State};

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let works = history.works();
    let promises = history.promises();
    let wrong = history.operations.iter().filter_map(|operation| {
        let what = wrong(history, &works, &promises, operation, operation.answer.done()?)?;
        Some(format!("{what}: {operation:?}"))
    });
    wrong.collect()
}

fn wrong(
    history: &History<'_>,
    works: &BTreeMap<u64, Work>,
    promises: &BTreeMap<Receipt, Duration>,
    operation: &QueueOperation,
    done: &Done,
) -> Option<String> {
    match (&operation.call, done) {
        (Call::Push { items }, Done::Pushed { items: ids, revision }) => {
            if items.len() != ids.len() {
                return Some("it was answered with another number of items".to_owned());
            }
            let missing = ids.iter().find(|(id, duplicate)| {
                let pushed = history.items.all.get(id).map(|item| item.pushed);
                match duplicate {
                    true => pushed.is_none_or(|pushed| pushed > *revision),
                    false => pushed != Some(*revision),
                }
            });
            missing.map(|(id, _)| format!("item {id} was not pushed then"))
        }
        (Call::Claim { .. }, Done::Claimed { items, revision, .. }) => {
            let strange = items
                .iter()
                .find_map(|claimed| not_claimed(history, works, claimed, *revision));
            strange.map(|(item, what)| format!("item {item}: {what}"))
        }
        (Call::Ack { receipt }, Done::Acked { revision }) => ended_so(history, *receipt, *revision, Ended::Acked),
        (Call::Nack { receipt, .. }, Done::Nacked { revision }) => {
            ended_so(history, *receipt, *revision, Ended::Nacked)
        }
        (Call::Extend { receipt, .. }, Done::Extended { .. }) => over_before(history, *receipt, operation.invoked),
        (Call::Ack { receipt } | Call::Nack { receipt, .. } | Call::Extend { receipt, .. }, Done::Fenced) => {
            lasts_until(history, promises, *receipt, operation.returned)
        }
        (Call::Ack { receipt } | Call::Nack { receipt, .. } | Call::Extend { receipt, .. }, Done::Gone) => {
            match history.items.all.get(&receipt.item)?.state {
                State::Acked(revision) => {
                    let earliest = history.moments.earliest(revision);
                    (earliest > operation.returned).then(|| format!("it was there until {earliest:?}"))
                }
                state => Some(format!("it is not gone, but {state:?}")),
            }
        }
        _ => None,
    }
}

fn not_claimed(
    history: &History<'_>,
    works: &BTreeMap<u64, Work>,
    claimed: &Claimed,
    revision: u64,
) -> Option<(u64, String)> {
    let Receipt { item, token } = claimed.receipt;
    let of_truth = history.items.all.get(&item);
    let number = of_truth.and_then(|life| life.claims.iter().position(|claim| claim.token == token));
    let Some((life, number)) = of_truth.zip(number) else {
        return Some((item, "the truth has no such claim".to_owned()));
    };
    if life.claims[number].revision != revision {
        return Some((item, format!("the claim is {:?}", life.claims[number])));
    }
    let work = works.get(&item)?;
    let same = (&work.payload, work.priority, &work.group) == (&claimed.payload, claimed.priority, &claimed.group);
    (!same).then(|| (item, format!("it was pushed as {work:?}")))
}

fn ended_so(history: &History<'_>, receipt: Receipt, revision: u64, why: Ended) -> Option<String> {
    let ended = history.items.claim(receipt).and_then(|claim| claim.ended);
    (ended != Some((revision, why))).then(|| format!("the claim ended so: {ended:?}"))
}

fn over_before(history: &History<'_>, receipt: Receipt, moment: Duration) -> Option<String> {
    let Some(claim) = history.items.claim(receipt) else {
        return Some("there is no such claim".to_owned());
    };
    let (revision, _) = claim.ended?;
    let latest = history.moments.latest(revision);
    (latest < moment).then(|| format!("the claim ended at revision {revision}, which was there at {latest:?}"))
}

/// A receipt is refused from its deadline on, whether or not its end is written down by then, and whatever then ends it: its time,
/// or its lease. So it is denied too early only if it was promised to hold, or was taken afterwards.
fn lasts_until(
    history: &History<'_>,
    promises: &BTreeMap<Receipt, Duration>,
    receipt: Receipt,
    moment: Duration,
) -> Option<String> {
    let claim = history.items.claim(receipt)?;
    let Some((revision, why)) = claim.ended else {
        return Some("the claim never ended".to_owned());
    };
    let earliest = history.moments.earliest(revision);
    let promised = promises.get(&receipt).is_some_and(|until| moment < *until);
    let taken = matches!(why, Ended::Acked | Ended::Nacked);
    (earliest > moment && (taken || promised))
        .then(|| format!("the claim lasted until revision {revision}, not before {earliest:?}"))
}
