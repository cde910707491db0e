//! What is written with the fence of an assignment is written while exactly that one stands, whoever was told what.

use super::super::history::History;
use super::super::record::{Assignment, Call, Done};
use crate::journal::Answer;
use crate::watch_check::{Event, KeyEvent, KeyKind};

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (revision, events) in history.truth.between(0, history.truth.last()) {
        for event in events {
            let Event::Key(event) = event else { continue };
            let Some(assignment) = written(history, event) else {
                continue;
            };
            let had = history.fleet.had.get(&assignment);
            let stands = had.is_some_and(|had| had.from <= revision && had.until.is_none_or(|until| revision < until));
            if !stands {
                found.push(format!(
                    "revision {revision} writes with the fence of {assignment:?}, which was {had:?}"
                ));
            }
        }
    }
    for operation in history.operations {
        let (Call::Put { assignment }, Answer::Done(Done::Put { revision })) = (&operation.call, &operation.answer)
        else {
            continue;
        };
        let mut events = history.truth.events(*revision).iter();
        let there = events.any(|event| match event {
            Event::Key(event) => written(history, event).as_ref() == Some(assignment),
            Event::Other(_) => false,
        });
        if !there {
            found.push(format!("it was acknowledged and is not there: {operation:?}"));
        }
    }
    found
}

/// The assignment whose fence such a key was written with: the value is worker and generation.
fn written(history: &History<'_>, event: &KeyEvent) -> Option<Assignment> {
    let key = std::str::from_utf8(&event.record.key).ok()?;
    let task = key.strip_prefix(history.keys).filter(|_| event.kind == KeyKind::Put)?;
    let value = std::str::from_utf8(&event.record.value).unwrap_or_default();
    let (worker, generation) = value.split_once(' ').unwrap_or_default();
    Some(Assignment {
        task: task.to_owned(),
        worker: worker.to_owned(),
        generation: generation.parse().unwrap_or_default(),
    })
}
