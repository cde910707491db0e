//! What came of the damages, told apart.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::damage::Damage;
use super::place::Place;
use crate::HarnessError;
use crate::scenarios::RunReport;

/// Lines of a member that are shown.
const LINES_SHOWN: usize = 6;

/// What became of one damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The member did not start, and said why.
    Refused,
    /// It stopped when it or a read met the damage, and said why.
    Stopped,
    /// It put something right, and said so.
    Repaired,
    /// It said nothing. Whatever it has was read, and was right.
    Unnoticed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Refused => "refused to start",
            Outcome::Stopped => "stopped",
            Outcome::Repaired => "put right",
            Outcome::Unnoticed => "unnoticed, all of it read and right",
        })
    }
}

/// What a run that passed has covered.
#[derive(Clone, Debug, Default)]
pub struct CorruptionReport {
    counts: BTreeMap<(Place, Outcome), u64>,
    /// Members that failed and did not say which file it was.
    unnamed: Vec<String>,
    longest_replacement: Duration,
    pub(super) run: Option<RunReport>,
}

impl CorruptionReport {
    pub(super) fn count(&mut self, damage: &Damage, outcome: Outcome, said: &str) {
        *self.counts.entry((damage.place, outcome)).or_insert(0) += 1;
        let ended = matches!(outcome, Outcome::Refused | Outcome::Stopped);
        if ended && !damage.names().iter().any(|name| said.contains(name)) {
            let lines: Vec<&str> = said.lines().collect();
            let end = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
            self.unnamed.push(format!("{damage}: {outcome}:\n{end}"));
        }
    }

    pub(super) fn replaced(&mut self, took: Duration) {
        self.longest_replacement = self.longest_replacement.max(took);
    }

    /// Damages of all places with this outcome.
    fn of(&self, wanted: Outcome) -> u64 {
        let counted = self.counts.iter().filter(|((_, outcome), _)| *outcome == wanted);
        counted.map(|(_, count)| count).sum()
    }

    /// Damages that the member noticed, in whatever way.
    pub fn noticed(&self) -> u64 {
        [Outcome::Refused, Outcome::Stopped, Outcome::Repaired]
            .map(|outcome| self.of(outcome))
            .iter()
            .sum()
    }

    /// Damages that the member did not notice, and that did not matter.
    pub fn unnoticed(&self) -> u64 {
        self.of(Outcome::Unnoticed)
    }

    /// Whoever has to replace a disk wants to know where it was.
    pub(super) fn demand_names(&self) -> Result<(), HarnessError> {
        match self.unnamed.as_slice() {
            [] => Ok(()),
            unnamed => Err(HarnessError::Broken(format!(
                "{} members failed and did not name the file:\n{}\n(all of it: {self})",
                unnamed.len(),
                unnamed.join("\n")
            ))),
        }
    }
}

impl fmt::Display for CorruptionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} damages noticed, {} not and without harm, longest replacement {:?}",
            self.noticed(),
            self.unnoticed(),
            self.longest_replacement
        )?;
        for ((place, outcome), count) in &self.counts {
            write!(f, "; {place} {outcome}: {count}")?;
        }
        match &self.run {
            Some(run) => write!(f, "; {run}"),
            None => Ok(()),
        }
    }
}
