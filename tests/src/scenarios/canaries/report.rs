//! The table of what was found.

use std::fmt;
use std::time::Duration;

use quorate_node::canary::Canary;

use super::trial::Ended;

/// What became of one canary.
#[derive(Clone, Debug)]
pub struct Found {
    /// The bug.
    pub canary: Canary,
    /// Who looked for it.
    pub scenario: String,
    /// Runs of the scenario.
    pub runs: u64,
    /// From the first of them on.
    pub took: Duration,
    /// How the last ended.
    pub ended: Ended,
    /// It failed, and said what is wrong.
    pub named: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match (self.named, &self.ended) {
            (true, _) => "found",
            (false, Ended::Failed(_)) => "FAILED OTHERWISE",
            (false, Ended::Skipped(_)) => "SKIPPED",
            (false, _) => "MISSED",
        };
        write!(
            f,
            "{:26} {word} after {} s, run {} of `{}`: {}",
            self.canary.name(),
            self.took.as_secs(),
            self.runs,
            self.scenario,
            self.ended
        )
    }
}

/// What became of all, and of the control.
#[derive(Clone, Debug, Default)]
pub struct CanaryReport {
    /// In the order in which they were looked for.
    pub found: Vec<Found>,
    /// Each scenario with no bug chosen, and how it ended.
    pub controls: Vec<(String, Ended)>,
}

impl CanaryReport {
    /// Every one was found as what it is, and without one every scenario passes.
    pub fn is_good(&self) -> bool {
        let passed = |(_, ended): &(String, Ended)| matches!(ended, Ended::Passed(_));
        !self.found.is_empty() && self.found.iter().all(|found| found.named) && self.controls.iter().all(passed)
    }
}

impl fmt::Display for CanaryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.iter().filter(|found| found.named).count();
        writeln!(f, "{found} of {} canaries found", self.found.len())?;
        for found in &self.found {
            writeln!(f, "{found}")?;
        }
        for (scenario, ended) in &self.controls {
            writeln!(f, "without a canary, `{scenario}` {ended}")?;
        }
        Ok(())
    }
}
