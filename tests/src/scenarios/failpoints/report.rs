//! Which failpoints were passed, and what came of it.

use std::collections::BTreeSet;
use std::fmt;

use super::super::RunReport;

/// One failpoint with one action.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The failpoint.
    pub point: &'static str,
    /// What it did.
    pub action: &'static str,
    /// It was passed.
    pub hit: bool,
    /// How the member ended of it; none if it did not.
    pub ended: Option<String>,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hit = if self.hit { "hit" } else { "NOT HIT" };
        let ended = match &self.ended {
            Some(status) => format!("the member ended ({status})"),
            None => "the member went on".to_owned(),
        };
        write!(f, "{:24} {:10} {hit}, {ended}", self.point, self.action)
    }
}

/// What a run that passed has covered.
#[derive(Clone, Debug)]
pub struct FailpointReport {
    /// In the order in which they were tried.
    pub tried: Vec<Tried>,
    /// What was checked.
    pub run: RunReport,
}

impl FailpointReport {
    /// Failpoints that no action hit.
    pub fn never_hit(&self) -> BTreeSet<&'static str> {
        let all: BTreeSet<_> = self.tried.iter().map(|tried| tried.point).collect();
        let hit: BTreeSet<_> = self
            .tried
            .iter()
            .filter(|tried| tried.hit)
            .map(|tried| tried.point)
            .collect();
        all.difference(&hit).copied().collect()
    }
}

impl fmt::Display for FailpointReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hit = self.tried.iter().filter(|tried| tried.hit).count();
        let points: BTreeSet<_> = self.tried.iter().map(|tried| tried.point).collect();
        let ended = self.tried.iter().filter(|tried| tried.ended.is_some()).count();
        write!(
            f,
            "{} failpoints, {hit} of {} combinations hit, {ended} ended the member; never hit: {:?}; {}",
            points.len(),
            self.tried.len(),
            self.never_hit(),
            self.run
        )
    }
}
