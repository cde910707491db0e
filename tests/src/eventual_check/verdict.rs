//! Ok, illegal or unknown.

use std::fmt;

use super::lost;
use super::properties;
use super::record::{History, HopRead, KINDS, Kind, Outcome};

/// Violations that are shown.
const SHOWN: usize = 10;

/// The table is in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table of the module says what each is")]
pub enum Property {
    Equal,
    Kept,
    Replaced,
    Real,
    Newest,
    Joined,
    Greatest,
    Counted,
    Members,
    Session,
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
    pub acked: usize,
    /// Of those, by two members or more.
    pub acked_by_two: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Writes of which nothing is known.
    pub unknown: usize,
    /// Values that one member had acknowledged and lost with its process.
    pub lost_with_a_process: usize,
    /// Reads with a token that were answered.
    pub hops: usize,
    /// Reads whose token named what was lost.
    pub contexts_lost: usize,
    /// Keys at the end.
    pub keys: usize,
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
            Verdict::Unknown(reason) => Err(format!("unknown: {reason}")),
            Verdict::Illegal(violations) => {
                let shown: Vec<String> = violations.iter().take(SHOWN).map(Violation::to_string).collect();
                Err(format!("{} violations:\n{}", violations.len(), shown.join("\n")))
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.what)
    }
}

/// Holds the history against every property.
pub fn check(history: &History) -> Verdict {
    let violations = properties::all(history);
    if !violations.is_empty() {
        return Verdict::Illegal(violations);
    }
    if let Some(reason) = too_little(history) {
        return Verdict::Unknown(reason);
    }
    Verdict::Ok(summary(history))
}

/// A kind of which nothing was acknowledged has shown nothing.
fn too_little(history: &History) -> Option<String> {
    if history.states.len() < 2 {
        return Some(format!("the states of {} members are known", history.states.len()));
    }
    let acked = |kind: &Kind| {
        history
            .writes
            .iter()
            .any(|write| write.key.kind == *kind && write.acked() >= 2)
    };
    let missing: Vec<Kind> = KINDS.into_iter().filter(|kind| !acked(kind)).collect();
    (!missing.is_empty()).then(|| format!("two members have acknowledged no write of {missing:?}"))
}

fn summary(history: &History) -> Summary {
    let count = |wanted: fn(&Outcome) -> bool| history.writes.iter().filter(|write| wanted(&write.outcome)).count();
    let hops = |wanted: fn(&HopRead) -> bool| history.hops.iter().filter(|hop| wanted(&hop.read)).count();
    Summary {
        acked: count(|outcome| matches!(outcome, Outcome::Acked(_))),
        acked_by_two: count(|outcome| matches!(outcome, Outcome::Acked(2..))),
        refused: count(|outcome| matches!(outcome, Outcome::Refused(_))),
        unknown: count(|outcome| matches!(outcome, Outcome::Unknown(_))),
        lost_with_a_process: lost::lost_with_a_process(history),
        hops: hops(|read| matches!(read, HopRead::Number(_))),
        contexts_lost: hops(|read| matches!(read, HopRead::ContextLost)),
        keys: history.states.values().next().map_or(0, |state| state.len()),
    }
}
