//! Sets by times alone, and then against the log.
//!
//! By times: an element that was acknowledged is in every read that began later (*lost* if no read ever has it again, *stale*
//! if a later one has); one that a read has seen is in every read that began after it (*vanished*); what was not done, or
//! never asked, is in none (*phantom*), nor is what was asked after the read had returned.
//!
//! Against the log: each read is the set of its revision, each acknowledged element is there since its revision, and what is
//! there was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::order::{self, Effect};
use super::super::timeline::Timeline;
use super::{PREFIX, SetAnswer, SetCall, element, key, prefix};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

type SetOperation = Operation<SetCall, SetAnswer>;

pub(super) fn check(operations: &[SetOperation], truth: &Truth) -> Verdict {
    let sets = Sets::of(operations);
    let timeline = Timeline::of(truth, PREFIX);
    let checked = sets
        .check_times()
        .and_then(|()| sets.check_log(operations, &timeline))
        .and_then(|()| order::check(operations, |_, operation| effect(operation, &timeline)));
    let (adds, reads) = sets.counts();
    match checked {
        Err(illegal) => Verdict::Illegal(illegal),
        Ok(()) if adds == 0 || reads == 0 => {
            Verdict::Unknown(format!("{adds} elements were added, {reads} reads done"))
        }
        Ok(()) => Verdict::Ok(format!(
            "{adds} elements in every one of {reads} reads that they had to be in"
        )),
    }
}

fn effect(operation: &SetOperation, timeline: &Timeline) -> Option<Effect> {
    match (&operation.call, &operation.answer) {
        (_, Answer::Done(SetAnswer::Added { revision })) => Some(Effect {
            revision: *revision,
            writes: true,
        }),
        (_, Answer::Done(SetAnswer::Read { revision, .. })) => Some(Effect {
            revision: *revision,
            writes: false,
        }),
        (SetCall::Add { set, element }, Answer::Unknown) => {
            let point = timeline.points(key(*set, *element).as_bytes()).first()?;
            let (revision, writes) = (point.revision, true);
            Some(Effect { revision, writes })
        }
        _ => None,
    }
}

/// A set, as its clients saw it.
#[derive(Debug, Default)]
struct Seen<'a> {
    adds: BTreeMap<u64, &'a SetOperation>,
    /// By the time at which they began.
    reads: Vec<(&'a SetOperation, BTreeSet<u64>)>,
}

struct Sets<'a>(BTreeMap<u64, Seen<'a>>);

impl<'a> Sets<'a> {
    fn of(operations: &'a [SetOperation]) -> Sets<'a> {
        let mut sets: BTreeMap<u64, Seen<'a>> = BTreeMap::new();
        for operation in operations {
            match (&operation.call, &operation.answer) {
                (SetCall::Add { set, element }, _) => {
                    sets.entry(*set).or_default().adds.insert(*element, operation);
                }
                (SetCall::Read { set }, Answer::Done(SetAnswer::Read { elements, .. })) => {
                    let elements = elements.iter().copied().collect();
                    sets.entry(*set).or_default().reads.push((operation, elements));
                }
                (SetCall::Read { .. }, _) => {}
            }
        }
        for seen in sets.values_mut() {
            seen.reads.sort_by_key(|(read, _)| read.invoked);
        }
        Sets(sets)
    }

    fn counts(&self) -> (usize, usize) {
        let added = |add: &&&SetOperation| add.answer.done().is_some();
        let adds = self.0.values().map(|seen| seen.adds.values().filter(added).count());
        (adds.sum(), self.0.values().map(|seen| seen.reads.len()).sum())
    }

    fn check_times(&self) -> Result<(), String> {
        self.0.values().try_for_each(Seen::check)
    }

    fn check_log(&self, operations: &[SetOperation], timeline: &Timeline) -> Result<(), String> {
        for operation in operations {
            match (&operation.call, &operation.answer) {
                (SetCall::Add { set, element }, Answer::Done(SetAnswer::Added { revision })) => {
                    let points = timeline.points(key(*set, *element).as_bytes());
                    if !matches!(points, [point] if point.revision == *revision && point.value.is_some()) {
                        return Err(format!("not in the log as acknowledged, but {points:?}: {operation:?}"));
                    }
                }
                (SetCall::Add { set, element }, Answer::NotDone) => {
                    let points = timeline.points(key(*set, *element).as_bytes());
                    if !points.is_empty() {
                        return Err(format!("in the log as {points:?} although refused: {operation:?}"));
                    }
                }
                (SetCall::Add { set, element }, _) => {
                    let points = timeline.points(key(*set, *element).as_bytes());
                    if points.len() > 1 {
                        return Err(format!("applied twice, {points:?}: {operation:?}"));
                    }
                }
                (SetCall::Read { set }, Answer::Done(SetAnswer::Read { revision, elements })) => {
                    let prefix = prefix(*set);
                    let there = timeline.beginning_with(&prefix);
                    let there = there.filter(|(key, _)| timeline.at(key, *revision).is_some());
                    let there: Vec<u64> = there.map(|(key, _)| element(key).unwrap_or(u64::MAX)).collect();
                    if there != *elements {
                        return Err(format!("the log has {there:?} for {operation:?}"));
                    }
                }
                (SetCall::Read { .. }, _) => {}
            }
        }
        self.nobody_else(timeline)
    }

    fn nobody_else(&self, timeline: &Timeline) -> Result<(), String> {
        let added: BTreeSet<u64> = self.0.values().flat_map(|seen| seen.adds.keys().copied()).collect();
        for (key, points) in timeline.keys() {
            if element(key).is_none_or(|element| !added.contains(&element)) {
                return Err(format!("nobody added {key:?}: {points:?}"));
            }
        }
        Ok(())
    }
}

impl Seen<'_> {
    fn check(&self) -> Result<(), String> {
        for (read, elements) in &self.reads {
            for element in elements {
                let add = self
                    .adds
                    .get(element)
                    .filter(|add| add.answer != Answer::NotDone && add.invoked < read.returned);
                if add.is_none() {
                    return Err(format!(
                        "phantom: {element} was not added before it was seen by {read:?}"
                    ));
                }
            }
        }
        self.adds
            .iter()
            .try_for_each(|(element, add)| self.check_element(*element, add))
    }

    /// From when it is known to be there, every read must have it.
    fn check_element(&self, element: u64, add: &SetOperation) -> Result<(), String> {
        let acknowledged = add.answer.done().map(|_| add.returned);
        let with = self.reads.iter().filter(|(_, elements)| elements.contains(&element));
        let seen: Option<Duration> = with.clone().map(|(read, _)| read.returned).min();
        let Some(there_since) = acknowledged.into_iter().chain(seen).min() else {
            return Ok(());
        };
        let first = self.reads.partition_point(|(read, _)| read.invoked <= there_since);
        let missing = self.reads[first..]
            .iter()
            .find(|(_, elements)| !elements.contains(&element));
        let Some((missing, _)) = missing else { return Ok(()) };
        let what = match (
            acknowledged == Some(there_since),
            with.clone().any(|(read, _)| read.invoked > missing.returned),
        ) {
            (false, _) => "vanished: it was seen before",
            (true, true) => "stale: it is seen later",
            (true, false) => "lost: it is never seen again",
        };
        Err(format!(
            "{what}: {element} is not in {missing:?}, and was there since {there_since:?}: {add:?}"
        ))
    }
}
