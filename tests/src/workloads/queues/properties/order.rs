//! Higher priorities go first; within one, groups that have ready items go in turn; within a group, items go in the order of
//! their pushes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::super::history::History;
use super::super::truth::Step;

/// The ready items of one group at one priority.
#[derive(Debug, Default)]
struct Lane {
    items: BTreeSet<u64>,
    /// Groups that were served since this one has been ready and was served last.
    passed_by: BTreeSet<String>,
}

/// By priority, then by group.
type Ready = BTreeMap<u8, BTreeMap<String, Lane>>;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    // Of what nobody was told what it is, nothing is known.
    let works = history.works();
    let mut ready = Ready::new();
    let mut found = Vec::new();
    for (revision, step) in &history.items.steps {
        match step {
            Step::Ready(items) => {
                for item in items {
                    let Some(work) = works.get(item) else { continue };
                    let groups = ready.entry(work.priority).or_default();
                    let lane = groups.entry(work.group.clone()).or_default();
                    lane.items.insert(*item);
                }
            }
            Step::Claimed(items) => {
                for item in items {
                    let Some(work) = works.get(item) else { continue };
                    if let Some(what) = serve(&mut ready, *item, work.priority, &work.group) {
                        found.push(format!(
                            "revision {revision} claims item {item}, which is {work:?}, {what}"
                        ));
                    }
                }
            }
        }
    }
    found
}

/// Takes an item away; what stood before it, if anything did.
fn serve(ready: &mut Ready, item: u64, priority: u8, group: &str) -> Option<String> {
    let higher = ready
        .range((Bound::Excluded(priority), Bound::Unbounded))
        .rev()
        .find_map(|(higher, groups)| {
            let first = groups.values().find_map(|lane| lane.items.first())?;
            Some(format!("before item {first} of priority {higher}"))
        });
    let groups = ready.get_mut(&priority)?;
    let mut wrong = higher;
    if let Some(lane) = groups.get_mut(group) {
        let first = lane.items.first().copied().filter(|first| *first < item);
        wrong = wrong.or(first.map(|first| format!("before item {first} of the same group")));
        lane.items.remove(&item);
        lane.passed_by.clear();
    }
    groups.retain(|_, lane| !lane.items.is_empty());
    for (other, lane) in groups.iter_mut().filter(|(other, _)| *other != group) {
        if !lane.passed_by.insert(group.to_owned()) {
            let first = lane.items.first();
            wrong = wrong.or(Some(format!(
                "and group {other:?} waits with item {first:?} for the second time"
            )));
        }
    }
    wrong
}
