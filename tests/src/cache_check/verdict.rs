//! Ok, illegal or unknown.

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Attempts, History};
use super::properties;
use super::record::{Asked, Coherence, Source};
use super::timeline::Timelines;
use crate::watch_check::Truth;

/// Violations of each property that are shown.
const SHOWN: usize = 3;

/// The table is in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table of the module says what each is")]
pub enum Property {
    Real,
    Future,
    Source,
    Strong,
    Bounded,
    Staleness,
    Monotonic,
    Own,
    Coherent,
    Relaxed,
}

/// A property does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// Where, and what was seen instead.
    pub what: String,
}

/// What a history that is right has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Strong reads.
    pub strong: usize,
    /// Answers of caches.
    pub hits: usize,
    /// Of these, those given while something was done to a member.
    pub hits_during_faults: usize,
    /// Of the hits, those of caches whose coherence is strong, in coherent domains.
    pub coherent_hits: usize,
    /// Of the hits, those of caches that are relaxed.
    pub relaxed_hits: usize,
    /// Reads that a cache might have answered and a member did.
    pub misses: usize,
    /// What was not answered.
    pub attempts: Attempts,
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every property holds.
    Ok(Summary),
    /// Some do not.
    Illegal(Vec<Violation>),
    /// There was too little to tell.
    Unknown(String),
}

impl Verdict {
    /// Unknown does not pass.
    pub fn into_result(self) -> Result<Summary, String> {
        match self {
            Verdict::Ok(summary) => Ok(summary),
            Verdict::Unknown(reason) => Err(format!("no verdict: {reason}")),
            Verdict::Illegal(violations) => Err(shown(&violations)),
        }
    }
}

/// How many of each property, and some of them.
fn shown(violations: &[Violation]) -> String {
    let mut by_property: BTreeMap<Property, Vec<&Violation>> = BTreeMap::new();
    for violation in violations {
        by_property.entry(violation.property).or_default().push(violation);
    }
    let mut text = format!("{} violations", violations.len());
    for (property, violations) in by_property {
        text += &format!("\n{property:?}, {} times:", violations.len());
        for violation in violations.iter().take(SHOWN) {
            text += &format!("\n  {}", violation.what);
        }
    }
    text
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.what)
    }
}

/// Holds every answer against the truth.
pub fn check(history: &History, truth: &Truth) -> Verdict {
    let timelines = Timelines::of(truth);
    let beyond = history.reads.iter().find(|read| read.seen.revision > timelines.last());
    if let Some(read) = beyond {
        let last = timelines.last();
        return Verdict::Unknown(format!("the log ends at {last}, and an answer is newer: {read:?}"));
    }
    let violations = properties::all(history, &timelines);
    if !violations.is_empty() {
        return Verdict::Illegal(violations);
    }
    let summary = summary(history);
    let enough = [
        ("writes", summary.writes),
        ("strong reads", summary.strong),
        ("hits", summary.hits),
        ("misses", summary.misses),
    ];
    match enough.iter().find(|(_, count)| *count == 0) {
        Some((missing, _)) => Verdict::Unknown(format!("there were no {missing}: {summary:?}")),
        None => Verdict::Ok(summary),
    }
}

fn summary(history: &History) -> Summary {
    let mut summary = Summary {
        writes: history.writes.len(),
        attempts: history.attempts,
        ..Summary::default()
    };
    for read in &history.reads {
        match (read.asked, read.seen.source) {
            (Asked::Strong, _) => summary.strong += 1,
            (_, Source::Cache) => {
                summary.hits += 1;
                summary.hits_during_faults += usize::from(history.is_during_a_fault(read));
                match history.coherence(read) {
                    Coherence::Strong if history.coherent.contains(&read.place.domain) => summary.coherent_hits += 1,
                    Coherence::Relaxed { .. } => summary.relaxed_hits += 1,
                    _ => {}
                }
            }
            _ if history.coherence(read) != Coherence::Uncached => summary.misses += 1,
            _ => {}
        }
    }
    summary
}
