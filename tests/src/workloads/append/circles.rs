//! The transactions without revisions: do they depend on one another in a circle?

use super::{AppendAnswer, AppendCall, Step};
use crate::cycles::{self, Outcome, Transaction};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;

pub(super) fn check(operations: &[Operation<AppendCall, AppendAnswer>]) -> Verdict {
    match cycles::check(&transactions(operations)) {
        cycles::Verdict::Ok(summary) => Verdict::Ok(format!(
            "no circle among {} dependencies and {} of time",
            summary.dependencies, summary.in_time
        )),
        cycles::Verdict::Unknown(reason) => Verdict::Unknown(reason),
        illegal @ cycles::Verdict::Illegal(_) => Verdict::Illegal(illegal.into_result().err().unwrap_or_default()),
    }
}

/// What the clients did to lists, without revisions.
pub fn transactions(operations: &[Operation<AppendCall, AppendAnswer>]) -> Vec<Transaction> {
    operations.iter().flat_map(converted).collect()
}

/// One that lost its compare has read every list, and what it would have appended is nowhere: that is two transactions.
fn converted(operation: &Operation<AppendCall, AppendAnswer>) -> Vec<Transaction> {
    let transaction = |outcome, steps| Transaction {
        client: operation.client,
        invoked: operation.invoked,
        returned: operation.returned,
        outcome,
        steps,
    };
    let steps = &operation.call.steps;
    match &operation.answer {
        Answer::Done(answer) if answer.applied => {
            let mut lists = answer.lists.iter().map(|list| list.elements.clone());
            let steps = steps.iter().map(|step| match step {
                Step::Read { key } => read(key, lists.next()),
                Step::Append { key, element, .. } => append(key, *element),
            });
            vec![transaction(Outcome::Committed, steps.collect())]
        }
        Answer::Done(answer) => {
            let lists = answer.lists.iter().map(|list| Some(list.elements.clone()));
            let reads = steps
                .iter()
                .zip(lists)
                .map(|(step, list)| read(step.key(), list))
                .collect();
            vec![
                transaction(Outcome::Committed, reads),
                transaction(Outcome::Aborted, appends(steps)),
            ]
        }
        Answer::NotDone => vec![transaction(Outcome::Aborted, appends(steps))],
        Answer::Unknown => vec![transaction(Outcome::Unknown, appends(steps))],
    }
}

fn read(key: &str, list: Option<Vec<u64>>) -> cycles::Step {
    cycles::Step::Read {
        key: key.to_owned(),
        list,
    }
}

fn append(key: &str, element: u64) -> cycles::Step {
    cycles::Step::Append {
        key: key.to_owned(),
        element,
    }
}

fn appends(steps: &[Step]) -> Vec<cycles::Step> {
    let appends = steps.iter().filter_map(|step| match step {
        Step::Append { key, element, .. } => Some(append(key, *element)),
        Step::Read { .. } => None,
    });
    appends.collect()
}
