//! What every member has at the end, and what clients were told before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{EventualAnswer, EventualCall};
use crate::journal::{Answer, Fault, Operation};
use crate::verdict::Verdict;
use crate::workloads::Facts;

type EventualOperation = Operation<EventualCall, EventualAnswer>;

/// What takes a member's memory, or the member.
const DEADLY: [&str; 5] = ["kill", "kill-all", "disk-full", "replace", "join"];

/// Long after this what a member has is on its disk, also while it was busy.
const ON_DISK_AFTER: Duration = Duration::from_secs(10);

pub(super) fn check(operations: &[EventualOperation], facts: &Facts<'_>) -> Verdict {
    match explain(operations, facts.faults) {
        Ok(verdict) => verdict,
        Err(illegal) => Verdict::Illegal(illegal),
    }
}

fn explain(operations: &[EventualOperation], faults: &[Fault]) -> Result<Verdict, String> {
    let mut ends = operations
        .iter()
        .filter_map(|operation| match (&operation.call, &operation.answer) {
            (EventualCall::All { endpoint }, Answer::Done(EventualAnswer::All { sets, counters })) => {
                Some((endpoint, sets, counters))
            }
            _ => None,
        });
    let Some((first, sets, counters)) = ends.next() else {
        return Ok(Verdict::Unknown("no member was read at the end".to_owned()));
    };
    let mut members = 1;
    for (endpoint, other_sets, other_counters) in ends {
        if let Some(set) = difference(sets, other_sets) {
            return Err(format!("equal: {first} and {endpoint} have another set {set}"));
        }
        if let Some(counter) = difference(counters, other_counters) {
            return Err(format!("equal: {first} and {endpoint} have another counter {counter}"));
        }
        members += 1;
    }
    if members < 2 {
        return Ok(Verdict::Unknown("one member only was read at the end".to_owned()));
    }
    let kept = check_sets(operations, faults, sets)?;
    check_counters(operations, faults, counters)?;
    let reads = check_sessions(operations)?;
    // In a short run members die so often that it may be that nothing has to be there.
    Ok(match sets.is_empty() || reads == 0 {
        true => Verdict::Unknown(format!(
            "{} sets are there, and {reads} reads were answered",
            sets.len()
        )),
        false => Verdict::Ok(format!(
            "{members} members had the same {} sets and {} counters; {kept} elements that had to be there were; {reads} \
             reads on the way from member to member",
            sets.len(),
            counters.len()
        )),
    })
}

fn difference<T: PartialEq>(one: &BTreeMap<u64, T>, other: &BTreeMap<u64, T>) -> Option<u64> {
    let keys: BTreeSet<&u64> = one.keys().chain(other.keys()).collect();
    keys.into_iter().find(|key| one.get(key) != other.get(key)).copied()
}

/// How many elements had to be there.
fn check_sets(
    operations: &[EventualOperation],
    faults: &[Fault],
    sets: &BTreeMap<u64, Vec<u64>>,
) -> Result<u64, String> {
    let mut there: BTreeSet<(u64, u64)> = BTreeSet::new();
    for (set, elements) in sets {
        there.extend(elements.iter().map(|element| (*set, *element)));
    }
    let mut possible: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut kept = 0;
    for operation in operations {
        let EventualCall::Insert { set, element } = operation.call else {
            continue;
        };
        if operation.answer != Answer::NotDone {
            possible.insert((set, element));
        }
        if survives(operation, faults) {
            kept += 1;
            if !there.contains(&(set, element)) {
                return Err(format!(
                    "kept: element {element} of set {set} is nowhere: {operation:?}"
                ));
            }
        }
    }
    match there.difference(&possible).next() {
        Some((set, element)) => Err(format!("real: nobody wrote element {element} of set {set}")),
        None => Ok(kept),
    }
}

fn check_counters(
    operations: &[EventualOperation],
    faults: &[Fault],
    counters: &BTreeMap<u64, i64>,
) -> Result<(), String> {
    let mut bounds: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for operation in operations {
        let EventualCall::Add { counter, number } = operation.call else {
            continue;
        };
        let (least, most) = bounds.entry(counter).or_default();
        *least += if survives(operation, faults) { number } else { 0 };
        *most += if operation.answer == Answer::NotDone { 0 } else { number };
    }
    for (counter, (least, most)) in &bounds {
        let sum = counters.get(counter).copied().unwrap_or(0);
        if !(least..=most).contains(&&sum) {
            return Err(format!(
                "counted: counter {counter} is {sum}, and must be from {least} to {most}"
            ));
        }
    }
    match counters.keys().find(|counter| !bounds.contains_key(counter)) {
        Some(counter) => Err(format!("real: nobody added to counter {counter}")),
        None => Ok(()),
    }
}

/// Two members had it, and not both of them died before either had it on disk.
fn survives(operation: &EventualOperation, faults: &[Fault]) -> bool {
    let Answer::Done(EventualAnswer::Acked { members: 2.. }) = operation.answer else {
        return false;
    };
    let (from, to) = (operation.invoked, operation.returned + ON_DISK_AFTER);
    let meanwhile = |fault: &&Fault| {
        DEADLY.contains(&fault.fault.as_str())
            && Duration::from_micros(fault.began_us) <= to
            && Duration::from_micros(fault.ended_us) >= from
    };
    let deaths: usize = faults.iter().filter(meanwhile).map(|fault| fault.victims.len()).sum();
    deaths < 2
}

/// How many reads of sessions were answered.
fn check_sessions(operations: &[EventualOperation]) -> Result<u64, String> {
    /// What a client knows.
    #[derive(Default)]
    struct Session {
        wrote: u64,
        tried: u64,
        read: u64,
    }
    let mut sessions: BTreeMap<u64, Session> = BTreeMap::new();
    let mut reads = 0;
    for operation in operations {
        let session = sessions.entry(operation.client).or_default();
        match (&operation.call, &operation.answer) {
            (EventualCall::Raise { number }, answer) => {
                session.tried = session.tried.max(*number);
                if let Answer::Done(_) = answer {
                    session.wrote = *number;
                }
            }
            (EventualCall::Read, Answer::Done(EventualAnswer::Number { number })) => {
                reads += 1;
                let least = session.wrote.max(session.read);
                if !(least..=session.tried).contains(number) {
                    return Err(format!(
                        "session: it must be from {least} to {}: {operation:?}",
                        session.tried
                    ));
                }
                session.read = *number;
            }
            _ => {}
        }
    }
    Ok(reads)
}
