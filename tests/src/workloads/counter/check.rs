//! Counters by their bounds, and then against the log.
//!
//! By times alone: a read is at least the sum of what was acknowledged before it began, and at most that of all that was
//! asked for before it returned, without what was certainly not done.
//!
//! Against the log: what each revision adds is the amount of one increment, which was acknowledged for that revision or is of
//! unknown outcome; none is there twice; every answer is the counter at its revision; in the end it is the sum of what was
//! acknowledged, and of some that was not.

use std::collections::BTreeMap;

use super::super::order::{self, Effect};
use super::super::timeline::Timeline;
use super::{Count, CounterAnswer, CounterCall, PREFIX, key, value};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

type CounterOperation = Operation<CounterCall, CounterAnswer>;

pub(super) fn check(operations: &[CounterOperation], truth: &Truth) -> Verdict {
    let timeline = Timeline::of(truth, PREFIX);
    let checked = check_bounds(operations).and_then(|()| {
        let amounts = amounts(&timeline)?;
        for operation in operations {
            check_against_log(operation, &amounts, &timeline)?;
        }
        nobody_else(operations, &amounts)?;
        order::check(operations, |_, operation| effect(operation, &amounts))?;
        Ok(amounts.len())
    });
    match checked {
        Err(illegal) => Verdict::Illegal(illegal),
        Ok(0) => Verdict::Unknown("nothing was ever added".to_owned()),
        Ok(added) => {
            let unknown = operations
                .iter()
                .filter(|operation| operation.answer == Answer::Unknown)
                .count();
            Verdict::Ok(format!(
                "{added} increments done once each; {unknown} were of unknown outcome"
            ))
        }
    }
}

/// What an increment asks for.
fn amount(call: &CounterCall) -> Option<(u64, u64)> {
    match call {
        CounterCall::Increment { counter, by, .. } => Some((*counter, *by)),
        CounterCall::Read { .. } => None,
    }
}

fn effect(operation: &CounterOperation, amounts: &BTreeMap<u64, (u64, u64)>) -> Option<Effect> {
    match (&operation.answer, amount(&operation.call)) {
        (Answer::Done(answer), _) => Some(Effect {
            revision: answer.revision,
            writes: answer.added,
        }),
        (Answer::Unknown, Some((_, by))) => amounts.get(&by).map(|(revision, _)| Effect {
            revision: *revision,
            writes: true,
        }),
        _ => None,
    }
}

fn check_bounds(operations: &[CounterOperation]) -> Result<(), String> {
    let mut counters: Vec<u64> = operations
        .iter()
        .filter_map(|operation| Some(amount(&operation.call)?.0))
        .collect();
    counters.sort_unstable();
    counters.dedup();
    counters
        .into_iter()
        .try_for_each(|counter| check_bounds_of(operations, counter))
}

fn check_bounds_of(operations: &[CounterOperation], counter: u64) -> Result<(), String> {
    let mut acknowledged = Vec::new();
    let mut possible = Vec::new();
    let mut reads = Vec::new();
    for operation in operations {
        match (&operation.call, &operation.answer) {
            (CounterCall::Read { counter: read }, Answer::Done(answer)) if *read == counter => {
                reads.push((operation, answer.count.value));
            }
            (CounterCall::Increment { counter: of, by, .. }, answer) if *of == counter => {
                let added = answer.done().map(|answer| answer.added);
                if added == Some(true) {
                    acknowledged.push((operation.returned, *by));
                }
                if added != Some(false) && *answer != Answer::NotDone {
                    possible.push((operation.invoked, *by));
                }
            }
            _ => {}
        }
    }
    let (acknowledged, possible) = (sums(acknowledged), sums(possible));
    for (read, value) in reads {
        let least = sum_before(&acknowledged, read.invoked);
        let most = sum_before(&possible, read.returned);
        if !(least..=most).contains(&value) {
            return Err(format!("out of bounds: it must be from {least} to {most}: {read:?}"));
        }
    }
    Ok(())
}

type Sums = Vec<(std::time::Duration, u64)>;

/// The sum up to each time.
fn sums(mut amounts: Sums) -> Sums {
    amounts.sort_unstable();
    let mut sum = 0;
    for (_, amount) in &mut amounts {
        sum += *amount;
        *amount = sum;
    }
    amounts
}

fn sum_before(sums: &Sums, time: std::time::Duration) -> u64 {
    let before = sums.partition_point(|(at, _)| *at < time);
    before.checked_sub(1).map_or(0, |last| sums[last].1)
}

/// What the log has added: for each amount the revision and the counter.
fn amounts(timeline: &Timeline) -> Result<BTreeMap<u64, (u64, u64)>, String> {
    let mut amounts = BTreeMap::new();
    for (key, points) in timeline.keys() {
        let number = std::str::from_utf8(&key[PREFIX.len()..])
            .ok()
            .and_then(|number| number.parse().ok());
        let counter: u64 = number.ok_or_else(|| format!("nobody counts {key:?}"))?;
        let mut before = 0;
        for point in points {
            let now = point.value.as_ref().map_or(0, |bytes| value(bytes));
            let revision = point.revision;
            let added = now.checked_sub(before).filter(|added| *added > 0);
            let added = added.ok_or_else(|| format!("revision {revision} makes {now} of {before} in {key:?}"))?;
            if let Some((other, _)) = amounts.insert(added, (revision, counter)) {
                return Err(format!("applied twice: {added} was added by {other} and by {revision}"));
            }
            before = now;
        }
    }
    Ok(amounts)
}

fn check_against_log(
    operation: &CounterOperation,
    amounts: &BTreeMap<u64, (u64, u64)>,
    timeline: &Timeline,
) -> Result<(), String> {
    if let Some((counter, by)) = amount(&operation.call) {
        let found = amounts
            .get(&by)
            .filter(|(_, of)| *of == counter)
            .map(|(revision, _)| *revision);
        let right = match &operation.answer {
            Answer::Unknown => true,
            Answer::NotDone => found.is_none(),
            Answer::Done(answer) => found == answer.added.then_some(answer.revision),
        };
        if !right {
            return Err(format!("the log added it at {found:?}: {operation:?}"));
        }
    }
    let Answer::Done(answer) = &operation.answer else {
        return Ok(());
    };
    let (CounterCall::Read { counter } | CounterCall::Increment { counter, .. }) = &operation.call;
    let there = timeline
        .at(key(*counter).as_bytes(), answer.revision)
        .map(|point| Count {
            value: point.value.as_ref().map_or(0, |bytes| value(bytes)),
            mod_revision: point.revision,
        });
    if there.unwrap_or_default() != answer.count {
        return Err(format!("wrong read: the log has {there:?} for {operation:?}"));
    }
    match operation.call {
        CounterCall::Increment { from, .. } if !answer.added && from == answer.count => {
            Err(format!("wrong compare: it held: {operation:?}"))
        }
        _ => Ok(()),
    }
}

fn nobody_else(operations: &[CounterOperation], amounts: &BTreeMap<u64, (u64, u64)>) -> Result<(), String> {
    let asked: BTreeMap<u64, u64> = operations
        .iter()
        .filter_map(|operation| amount(&operation.call))
        .map(|(counter, by)| (by, counter))
        .collect();
    match amounts.iter().find(|(by, (_, counter))| asked.get(by) != Some(counter)) {
        Some((by, (revision, counter))) => Err(format!(
            "revision {revision} adds {by} to counter {counter}: nobody did"
        )),
        None => Ok(()),
    }
}
