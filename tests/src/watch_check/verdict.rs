//! All properties over all watchers, and what is missing for a verdict.

use super::assemble::Assembled;
use super::properties::{Seen, bookmarkable, canceled, due, filter, not_before, ordered, records, reliable, start};
use super::record::{Acks, Cancel, Start, Told, Watcher};
use super::truth::Truth;
use super::violation::{Violation, Wrong};

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Watchers.
    pub watchers: usize,
    /// Their incarnations.
    pub incarnations: usize,
    /// Revisions that were delivered, counted for each watcher.
    pub revisions: usize,
    /// Of these, those that came in parts.
    pub parts: usize,
    /// Events in them.
    pub events: usize,
    /// Marks.
    pub marks: usize,
    /// Times that a watcher had to start again at the oldest revision, because what it wanted was compacted.
    pub compacted: usize,
    /// Times that a watcher was cancelled because it did not read.
    pub lagged: usize,
}

/// How a check ended. Only [`Verdict::Ok`] is a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every watcher was told what it should be.
    Ok(Summary),
    /// One was not.
    Illegal(Box<Violation>),
    /// Something needed for a verdict is missing.
    Unknown(String),
}

impl Verdict {
    /// The summary of a pass; otherwise the explanation.
    pub fn into_result(self) -> Result<Summary, String> {
        match self {
            Verdict::Ok(summary) => Ok(summary),
            Verdict::Illegal(violation) => Err(format!("illegal: {violation}")),
            Verdict::Unknown(reason) => Err(format!("no verdict: {reason}")),
        }
    }
}

/// Checks what every watcher was told against the truth, and where watches from now on begin against acknowledged writes.
pub fn check(watchers: &[Watcher], truth: &Truth, acks: &Acks) -> Verdict {
    let mut summary = Summary::default();
    let mut unknown = None;
    for watcher in watchers {
        match of_one(watcher, truth, acks, &mut summary) {
            Ok(()) => summary.watchers += 1,
            Err(Stop::Illegal(violation)) => return Verdict::Illegal(violation),
            // A violation of another watcher says more.
            Err(Stop::Unknown(reason)) => unknown = unknown.or(Some(reason)),
        }
    }
    match unknown {
        Some(reason) => Verdict::Unknown(reason),
        None if summary.events == 0 => Verdict::Unknown("no watcher was told of any event".to_owned()),
        None => Verdict::Ok(summary),
    }
}

enum Stop {
    Illegal(Box<Violation>),
    Unknown(String),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Illegal(Box::new(violation))
    }
}

fn of_one(watcher: &Watcher, truth: &Truth, acks: &Acks, summary: &mut Summary) -> Result<(), Stop> {
    if watcher.due > truth.last() {
        return Err(Stop::Unknown(format!(
            "watcher {} was waited for up to {}, and the log ends at {}",
            watcher.name,
            watcher.due,
            truth.last()
        )));
    }
    let mut seen = Seen::default();
    let mut next = None;
    let mut last = None;
    for (number, incarnation) in watcher.incarnations.iter().enumerate() {
        if let Some(expected) = next
            && incarnation.start != expected
        {
            return Err(Stop::Unknown(format!(
                "watcher {} went on at {:?}, and should have at {expected:?}",
                watcher.name, incarnation.start
            )));
        }
        let assembled = Assembled::new(watcher, number, incarnation)?;
        let judged = |checked: Result<(), Wrong>| checked.map_err(|wrong| assembled.broken(wrong));
        judged(filter(&assembled))?;
        judged(seen.add(&assembled))?;
        judged(not_before(&assembled))?;
        judged(start(&assembled, acks))?;
        judged(bookmarkable(&assembled, acks))?;
        judged(ordered(&assembled))?;
        judged(reliable(&assembled, truth))?;
        judged(records(&assembled, truth))?;
        judged(canceled(&assembled, truth))?;
        count(&assembled, summary);
        next = Some(resumes_at(&assembled));
        last = Some(assembled);
    }
    match last {
        Some(last) if last.created.is_some() => due(&last, truth).map_err(|wrong| last.broken(wrong).into()),
        _ => Err(Stop::Unknown(format!("watcher {} was never there", watcher.name))),
    }
}

/// Where the next incarnation has to start so that nothing is left out that could be had.
fn resumes_at(assembled: &Assembled<'_>) -> Start {
    match (assembled.canceled, assembled.position()) {
        (Some(Cancel::Compacted(boundary)), _) => Start::From(boundary),
        (_, Some(position)) => Start::From(position + 1),
        (_, None) => assembled.incarnation.start,
    }
}

fn count(assembled: &Assembled<'_>, summary: &mut Summary) {
    summary.incarnations += 1;
    for (_, events) in assembled.revisions() {
        summary.revisions += 1;
        summary.events += events.len();
    }
    let first_part = |pair: &&[Told]| {
        matches!(pair[1], Told::Events { more: true, .. }) && !matches!(pair[0], Told::Events { more: true, .. })
    };
    summary.parts += assembled.incarnation.told.windows(2).filter(first_part).count();
    summary.marks += assembled.steps.len() - assembled.revisions().count();
    match assembled.canceled {
        Some(Cancel::Compacted(_)) => summary.compacted += 1,
        Some(Cancel::Lagged(_)) => summary.lagged += 1,
        Some(Cancel::Other) | None => {}
    }
}
