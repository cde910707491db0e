//! Transactions on lists, held against the log.
//!
//! 1. *Grown*: each version of a list is the one before it and one element more.
//! 2. *Once*: each element was appended by the transaction that carries it, which was acknowledged for that very revision or
//!    is of unknown outcome; one that was not done, or not applied, appended nothing; all elements of a transaction have one
//!    revision.
//! 3. *Compared*: a list that was made longer was at the revision that its transaction expected; of one that was not
//!    applied some list was not.
//! 4. *Read*: each list is what the log has at the revision of the answer, with what the transaction did before.
//! 5. *Real time*: see [`super::super::order`].

use std::collections::{BTreeMap, BTreeSet};

use super::super::order::{self, Effect};
use super::super::timeline::Timeline;
use super::{AppendAnswer, AppendCall, List, PREFIX, Step, parsed};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

type Transaction = Operation<AppendCall, AppendAnswer>;

pub(super) fn check(operations: &[Transaction], truth: &Truth) -> Verdict {
    let checked = Lists::of(truth).and_then(|lists| {
        let placed = lists.place(operations)?;
        for (index, operation) in operations.iter().enumerate() {
            lists.check_answer(operation, placed.get(&index).copied())?;
        }
        order::check(operations, |index, operation| {
            effect(operation, placed.get(&index).copied())
        })?;
        Ok(placed)
    });
    match checked {
        Err(illegal) => Verdict::Illegal(illegal),
        Ok(placed) if placed.is_empty() => Verdict::Unknown("nothing was ever appended".to_owned()),
        Ok(placed) => {
            let lost = placed
                .keys()
                .filter(|index| operations[**index].answer == Answer::Unknown)
                .count();
            let elsewhere = operations
                .iter()
                .filter(|operation| operation.answer.done().is_some_and(|it| !it.applied));
            Verdict::Ok(format!(
                "{} transactions appended, {lost} of them of unknown outcome; {} lost the race; every list as in the log",
                placed.len(),
                elsewhere.count()
            ))
        }
    }
}

fn effect(operation: &Transaction, placed: Option<u64>) -> Option<Effect> {
    match placed {
        Some(revision) => Some(Effect { revision, writes: true }),
        None => operation.answer.done().map(|answer| Effect {
            revision: answer.revision,
            writes: false,
        }),
    }
}

/// Every version of every list.
struct Lists {
    versions: BTreeMap<String, BTreeMap<u64, Vec<u64>>>,
    /// The revision that appended an element, and to which list.
    appended: BTreeMap<u64, (u64, String)>,
}

impl Lists {
    fn of(truth: &Truth) -> Result<Lists, String> {
        let mut lists = Lists {
            versions: BTreeMap::new(),
            appended: BTreeMap::new(),
        };
        for (key, points) in Timeline::of(truth, PREFIX).keys() {
            let key = String::from_utf8_lossy(key).into_owned();
            let mut before: Vec<u64> = Vec::new();
            for point in points {
                let now = point.value.as_ref().and_then(|value| parsed(value));
                let grown = now.filter(|now| now.len() == before.len() + 1 && now.starts_with(&before));
                let revision = point.revision;
                let wrong = || {
                    format!(
                        "not grown: revision {revision} made {:?} of {key}, which was {before:?}",
                        point.value
                    )
                };
                let (now, element) = grown
                    .and_then(|now| Some((now.clone(), *now.last()?)))
                    .ok_or_else(wrong)?;
                if let Some((other, list)) = lists.appended.insert(element, (revision, key.clone())) {
                    return Err(format!(
                        "twice: {element} is in {list} since {other} and in {key} since {revision}"
                    ));
                }
                before.clone_from(&now);
                lists.versions.entry(key.clone()).or_default().insert(revision, now);
            }
        }
        Ok(lists)
    }

    /// The revision of every transaction that appended, by its number.
    fn place(&self, operations: &[Transaction]) -> Result<BTreeMap<usize, u64>, String> {
        let mut placed = BTreeMap::new();
        let mut known = BTreeSet::new();
        for (index, operation) in operations.iter().enumerate() {
            let appends: Vec<(&str, u64)> = operation.call.steps.iter().filter_map(appended).collect();
            known.extend(appends.iter().map(|(_, element)| *element));
            let found: Vec<Option<u64>> = appends
                .iter()
                .map(|(key, element)| self.appended.get(element).filter(|(_, list)| list == key))
                .map(|found| found.map(|(revision, _)| *revision))
                .collect();
            let Some(first) = found.first().copied() else { continue };
            if found.iter().any(|revision| *revision != first) {
                return Err(format!("torn: the log has its elements at {found:?}: {operation:?}"));
            }
            let expected = match &operation.answer {
                Answer::Done(answer) => answer.applied.then_some(answer.revision),
                Answer::NotDone => None,
                Answer::Unknown => first,
            };
            match first == expected {
                false => return Err(format!("the log has its elements at {first:?}: {operation:?}")),
                true => placed.extend(first.map(|revision| (index, revision))),
            }
        }
        match self.appended.iter().find(|(element, _)| !known.contains(element)) {
            Some((element, (revision, key))) => {
                Err(format!("revision {revision} appended {element} to {key}: nobody did"))
            }
            None => Ok(placed),
        }
    }

    /// The list at a revision.
    fn at(&self, key: &str, revision: u64) -> List {
        let versions = self.versions.get(key);
        let version = versions.and_then(|versions| versions.range(..=revision).next_back());
        version.map_or_else(List::default, |(revision, elements)| List {
            elements: elements.clone(),
            mod_revision: *revision,
        })
    }

    fn check_answer(&self, operation: &Transaction, placed: Option<u64>) -> Result<(), String> {
        if let Some(revision) = placed {
            for step in &operation.call.steps {
                let Step::Append { key, expected, .. } = step else {
                    continue;
                };
                let before = self.at(key, revision - 1).mod_revision;
                if before != *expected {
                    return Err(format!(
                        "wrong compare: {key} was at {before} before {revision}: {operation:?}"
                    ));
                }
            }
        }
        let Answer::Done(answer) = &operation.answer else {
            return Ok(());
        };
        let shown: Vec<List> = match answer.applied {
            true => self.seen_by_steps(&operation.call, answer.revision, placed.is_some()),
            false => operation
                .call
                .steps
                .iter()
                .map(|step| self.at(step.key(), answer.revision))
                .collect(),
        };
        if shown != answer.lists {
            return Err(format!("wrong read: the log has {shown:?} for {operation:?}"));
        }
        let held = operation.call.steps.iter().all(|step| match step {
            Step::Append { key, expected, .. } => self.at(key, answer.revision).mod_revision == *expected,
            Step::Read { .. } => true,
        });
        match !answer.applied && held {
            true => Err(format!("wrong compare: all of them held: {operation:?}")),
            false => Ok(()),
        }
    }

    /// What the reading steps of a transaction see that was applied.
    fn seen_by_steps(&self, call: &AppendCall, revision: u64, appends: bool) -> Vec<List> {
        let before = if appends { revision - 1 } else { revision };
        let mut own: BTreeSet<&str> = BTreeSet::new();
        let mut lists = Vec::new();
        for step in &call.steps {
            match step {
                Step::Append { key, .. } => drop(own.insert(key)),
                Step::Read { key } if own.contains(key.as_str()) => lists.push(self.at(key, revision)),
                Step::Read { key } => lists.push(self.at(key, before)),
            }
        }
        lists
    }
}

fn appended(step: &Step) -> Option<(&str, u64)> {
    match step {
        Step::Append { key, element, .. } => Some((key, *element)),
        Step::Read { .. } => None,
    }
}
