//! Nothing is left out, and nothing is made up.

use std::collections::BTreeMap;

use super::{expected, expected_of};
use crate::watch_check::Event;
use crate::watch_check::assemble::{Assembled, Step};
use crate::watch_check::truth::Truth;
use crate::watch_check::violation::Wrong;

/// What came, from the start to the last thing that was told, is what there is for this watch. The first event after the
/// start (*resumable*), a mark that passed something (*bookmarkable*), and a revision of which a part is missing
/// (*atomic*) are told apart from anything else that is missing.
pub(in crate::watch_check) fn reliable(assembled: &Assembled<'_>, truth: &Truth) -> Result<(), Wrong> {
    let came: BTreeMap<u64, &[Event]> = assembled.revisions().collect();
    for (revision, events) in expected_of(truth, assembled) {
        let Some(told) = came.get(&revision) else {
            return Err(missing(assembled, revision, events[0]));
        };
        if let Some(absent) = first_missing(&events, told) {
            return Err(Wrong::Atomic {
                revision,
                how: format!("it came without {absent:?}"),
            });
        }
    }
    for (revision, told) in came {
        let told: Vec<&Event> = told.iter().collect();
        if let Some(event) = first_missing(&told, truth.events(revision)) {
            return Err(Wrong::Phantom {
                revision,
                event: Box::new(event.clone()),
            });
        }
    }
    beyond_the_end(assembled, truth)
}

/// A mark says nothing of revisions that never were; but a watch that waits for its start has seen all before it.
fn beyond_the_end(assembled: &Assembled<'_>, truth: &Truth) -> Result<(), Wrong> {
    let before_start = assembled.first().map_or(0, |first| first.saturating_sub(1));
    let mut marks = assembled.steps.iter().filter_map(|step| match step {
        Step::Mark { revision, .. } => Some(*revision),
        Step::Revision { .. } => None,
    });
    match marks.find(|mark| *mark > truth.last().max(before_start)) {
        Some(mark) => Err(Wrong::MarkAhead {
            mark,
            revision: truth.last() + 1,
        }),
        None => Ok(()),
    }
}

/// The last incarnation had time to get everything up to the revision that was waited for.
pub(in crate::watch_check) fn due(assembled: &Assembled<'_>, truth: &Truth) -> Result<(), Wrong> {
    let watcher = assembled.watcher;
    let Some(position) = assembled.position() else {
        return Ok(());
    };
    match expected(truth, &watcher.asked, position + 1, watcher.due).next() {
        None => Ok(()),
        Some((revision, events)) => Err(Wrong::Reliable {
            revision,
            proof: format!("everything up to {} was waited for", watcher.due),
            event: Box::new(events[0].clone()),
        }),
    }
}

fn missing(assembled: &Assembled<'_>, revision: u64, event: &Event) -> Wrong {
    let first_event = assembled.revisions().map(|(revision, _)| revision).next();
    let passed = assembled.steps.iter().find(|step| step.revision() >= revision);
    match passed {
        Some(Step::Mark { revision: mark, .. }) => Wrong::MarkAhead { mark: *mark, revision },
        Some(Step::Revision { revision: came, .. }) if Some(*came) == first_event => Wrong::Resumable {
            came: *came,
            expected: revision,
        },
        Some(Step::Revision { revision: came, .. }) => Wrong::Reliable {
            revision,
            proof: format!("revision {came} came"),
            event: Box::new(event.clone()),
        },
        None => Wrong::Reliable {
            revision,
            proof: "the watch went on".to_owned(),
            event: Box::new(event.clone()),
        },
    }
}

/// The first of `wanted` that `held` has fewer of.
fn first_missing<'a>(wanted: &[&'a Event], held: &[Event]) -> Option<&'a Event> {
    let count = |events: &mut dyn Iterator<Item = &Event>, like: &Event| {
        events.filter(|event| event.is_about_the_same(like)).count()
    };
    wanted
        .iter()
        .find(|event| count(&mut wanted.iter().copied(), event) > count(&mut held.iter(), event))
        .copied()
}
