//! A long history in parts that can be searched.
//!
//! A window is what was called from one moment to another. Whatever had returned before it is behind it, and what it left
//! is whatever suits; so the windows overlap, and the calls that two of them share tell the second what the first one
//! left. A write that was under way at the first moment, or of unknown outcome before it, may take effect within the
//! window or have done so before; one that is under way at the last moment may do so later. Both are as if their outcome
//! were unknown. A write whose value somebody had been shown before the window began took effect before it.
//!
//! So each window of a history that is linearizable is, and no window can blame a right one. Windows begin where the
//! fewest writes are under way, most often none, and are shorter where many outcomes are unknown.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::KeyOperation;
use super::effect::Register;
use super::search::Step;

/// Operations in a window.
pub(super) const OPERATIONS_MAX: usize = 200;

/// Operations in a window that may take effect at any time: what is searched doubles with each.
pub(super) const UNCERTAIN_MAX: usize = 10;

/// Operations that a window shares with the one before: at least and at most.
const SHARED: Range<usize> = 8..50;

/// A part of a history.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub steps: Vec<Step<'a>>,
    /// What it begins with.
    pub start: Register,
    /// Operations that no window before it had.
    pub new: usize,
}

impl Window<'_> {
    /// Whether it can be searched.
    pub(super) fn is_small(&self) -> bool {
        is_small(&self.steps)
    }
}

/// All windows of a history in the order in which its operations were called.
pub(super) fn windows(operations: &[KeyOperation]) -> Vec<Window<'_>> {
    debug_assert!(operations.is_sorted_by_key(|operation| operation.invoked));
    let mut found = Vec::new();
    let (mut first, mut covered) = (0, 0);
    while covered < operations.len() {
        let longest = operations.len().min(first + OPERATIONS_MAX);
        let (last, steps) = small(operations, first, covered + 1..longest);
        found.push(Window {
            steps,
            start: match first {
                0 => Register::ABSENT,
                _ => Register::ANY,
            },
            new: last - covered,
        });
        covered = last;
        first = quietest(operations, last - SHARED.end.min(last)..last - SHARED.start.min(last));
    }
    found
}

/// A window that begins with `first` and ends where it can be searched, if there is such an end; otherwise the longest.
fn small(operations: &[KeyOperation], first: usize, ends: Range<usize>) -> (usize, Vec<Step<'_>>) {
    let mut last = ends.end;
    loop {
        let steps = steps(operations, first..last);
        match is_small(&steps) {
            true => return (last, steps),
            false if last == ends.start => return (ends.end, self::steps(operations, first..ends.end)),
            false => last = ends.start + (last - ends.start) / 2,
        }
    }
}

fn is_small(steps: &[Step<'_>]) -> bool {
    steps.iter().filter(|step| !step.certain).count() <= UNCERTAIN_MAX
}

/// Where in the range the fewest writes are under way; of equals the last.
fn quietest(operations: &[KeyOperation], range: Range<usize>) -> usize {
    let under_way = |index: &usize| {
        let moment = operations[*index].invoked;
        let before = operations[index.saturating_sub(OPERATIONS_MAX)..*index].iter();
        before
            .filter(|operation| operation.is_known() && operation.may_change() && operation.returned >= moment)
            .count()
    };
    let quietest = range.clone().rev().min_by_key(under_way);
    quietest.unwrap_or(range.start)
}

pub(super) fn steps(operations: &[KeyOperation], range: Range<usize>) -> Vec<Step<'_>> {
    let begins = operations[range.start].invoked;
    let ends = operations
        .get(range.end)
        .map_or(Duration::MAX, |operation| operation.invoked);
    let shown_before: HashSet<&Bytes> = operations
        .iter()
        .take_while(|operation| operation.invoked < begins)
        .filter(|operation| operation.is_known() && operation.returned < begins)
        .filter_map(KeyOperation::shows)
        .collect();
    let may_come_late = |operation: &&KeyOperation| {
        let open = !operation.is_known() || operation.returned >= begins;
        let settled = operation.writes().is_some_and(|value| shown_before.contains(value));
        open && operation.may_change() && !settled
    };
    let before = operations[..range.start].iter().filter(may_come_late);
    let before = before.map(|operation| Step {
        operation,
        certain: false,
    });
    let within = operations[range].iter().map(|operation| Step {
        operation,
        certain: operation.is_known() && operation.returned < ends,
    });
    // A read that is uncertain says nothing.
    let within = within.filter(|step| step.certain || step.operation.may_change());
    before.chain(within).collect()
}
