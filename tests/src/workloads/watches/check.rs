//! From the journal to the watchers that the check of watches reads.

use super::{WatchesAnswer, WatchesCall};
use crate::journal::{Answer, Operation};
use crate::verdict::Verdict;
use crate::watch_check::{self, Ack, Acks, Truth, Watcher};

pub(super) fn check(operations: &[Operation<WatchesCall, WatchesAnswer>], truth: &Truth) -> Verdict {
    let mut watchers = Vec::new();
    let mut acks = Vec::new();
    for operation in operations {
        match (&operation.call, &operation.answer) {
            (WatchesCall::Watch { asked }, Answer::Done(WatchesAnswer::Told { incarnations, due })) => {
                watchers.push(Watcher {
                    name: format!("{} at {:?}", operation.client, operation.invoked),
                    asked: asked.clone(),
                    incarnations: incarnations.clone(),
                    due: *due,
                });
            }
            (
                WatchesCall::Put { .. } | WatchesCall::Delete { .. },
                Answer::Done(WatchesAnswer::Written { revision }),
            ) => acks.push(Ack {
                invoked: operation.invoked,
                returned: operation.returned,
                revision: *revision,
            }),
            (WatchesCall::Delete { .. }, Answer::Done(WatchesAnswer::Absent)) => {}
            (_, Answer::NotDone | Answer::Unknown) => {}
            _ => return Verdict::Unknown(format!("an answer to something else: {operation:?}")),
        }
    }
    if let Some(missing) = acks.iter().find(|ack| truth.events(ack.revision).is_empty()) {
        return Verdict::Illegal(format!(
            "revision {} was acknowledged and is not in the log",
            missing.revision
        ));
    }
    match watch_check::check(&watchers, truth, &Acks::new(acks)) {
        watch_check::Verdict::Ok(summary) => Verdict::Ok(format!(
            "{} watchers, begun {} times, told {} events of {} revisions and {} marks; {} times compacted, {} times lagged",
            summary.watchers,
            summary.incarnations,
            summary.events,
            summary.revisions,
            summary.marks,
            summary.compacted,
            summary.lagged
        )),
        watch_check::Verdict::Illegal(violation) => Verdict::Illegal(violation.to_string()),
        watch_check::Verdict::Unknown(reason) => Verdict::Unknown(reason),
    }
}
