//! What clients were told is what happened: what was assigned is so in the truth, what a worker is shown it has or had a
//! moment ago, and an assignment that certainly stands is not denied.

use std::time::Duration;

use super::super::history::History;
use super::super::record::{Assignment, AssignmentOperation, Call, Done};

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let wrong = history.operations.iter().filter_map(|operation| {
        let what = wrong(history, operation, operation.answer.done()?)?;
        Some(format!("{what}: {operation:?}"))
    });
    wrong.collect()
}

fn wrong(history: &History<'_>, operation: &AssignmentOperation, done: &Done) -> Option<String> {
    match (&operation.call, done) {
        (Call::Register { worker, lease, .. }, Done::Registered { revision }) => {
            let mut registrations = history.fleet.registrations.iter();
            let there = registrations.any(|(name, of, from, _)| (name, of, from) == (worker, lease, revision));
            (!there).then(|| "the truth has no such registration".to_owned())
        }
        (Call::Assign { task, .. }, Done::Assigned { worker, generation, .. }) => {
            let assignment = Assignment {
                task: task.clone(),
                worker: worker.clone()?,
                generation: *generation,
            };
            had(history, &assignment, operation)
        }
        (Call::AssignPending, Done::Placed { assignments }) | (Call::List { .. }, Done::Listed { assignments }) => {
            assignments
                .iter()
                .find_map(|assignment| had(history, assignment, operation))
        }
        (Call::Complete { assignment }, Done::Ended { revision }) => {
            let until = history.fleet.had.get(assignment).and_then(|had| had.until);
            (until != Some(*revision)).then(|| format!("by the truth it was over at {until:?}"))
        }
        (Call::Put { assignment } | Call::Complete { assignment }, Done::Fenced) => {
            stands_after(history, assignment, operation.returned)
        }
        _ => None,
    }
}

/// Somebody had it so, at some moment of the call.
fn had(history: &History<'_>, assignment: &Assignment, operation: &AssignmentOperation) -> Option<String> {
    let Some(had) = history.fleet.had.get(assignment) else {
        return Some(format!("nobody ever had {assignment:?}"));
    };
    let from = history.moments.earliest(had.from);
    let until = had.until.map_or(Duration::MAX, |until| history.moments.latest(until));
    let then = from <= operation.returned && operation.invoked <= until;
    (!then).then(|| format!("{assignment:?} stood from {from:?} to {until:?}"))
}

/// It certainly stands at that moment.
fn stands_after(history: &History<'_>, assignment: &Assignment, moment: Duration) -> Option<String> {
    let had = history.fleet.had.get(assignment)?;
    let Some(until) = had.until else {
        return Some("the assignment was never over".to_owned());
    };
    let earliest = history.moments.earliest(until);
    (earliest > moment).then(|| format!("the assignment stood until revision {until}, not before {earliest:?}"))
}
