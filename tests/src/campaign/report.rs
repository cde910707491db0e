//! What became of a run.

use std::path::Path;

use super::counted;
use crate::HarnessError;
use crate::journal::{End, Fault, Header, JournalFile};
use crate::verdict::Verdict;
use crate::workloads::{self, Checked};

/// What it comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every check passed, and everything that was planned has happened.
    Passed,
    /// A check found something, or could not tell.
    Failed,
    /// Every check passed, and something that was planned has not happened.
    NotCounted,
}

/// The verdicts on a journal.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the run was begun.
    pub header: Header,
    /// What was done to members.
    pub faults: Vec<Fault>,
    /// How it ended.
    pub end: End,
    /// What each check says.
    pub checked: Vec<Checked>,
    /// What was planned and has not happened.
    pub missing: Vec<String>,
}

impl Report {
    /// Checks a journal. An error where it names a workload that this build has not.
    pub fn of(journal: &JournalFile) -> Result<Report, HarnessError> {
        let mut checked = Vec::new();
        for name in &journal.header.workloads {
            let workload = workloads::named(name);
            let unknown = || HarnessError::Broken(format!("{name:?} is no workload of this build"));
            checked.push(workload.ok_or_else(unknown)?.check(journal)?);
        }
        Ok(Report {
            header: journal.header.clone(),
            faults: journal.faults.clone(),
            end: journal.end,
            missing: counted::missing(journal, &checked),
            checked,
        })
    }

    /// Checks the journal in a file: what a run said of itself, once more.
    pub fn replay(path: &Path) -> Result<Report, HarnessError> {
        Report::of(&JournalFile::open(path)?)
    }

    /// What it comes down to.
    pub fn outcome(&self) -> Outcome {
        let passed = self.checked.iter().all(|checked| checked.verdict.is_ok());
        match (passed, self.missing.is_empty()) {
            (false, _) => Outcome::Failed,
            (true, false) => Outcome::NotCounted,
            (true, true) => Outcome::Passed,
        }
    }

    /// The verdict on a workload, if it was played.
    pub fn verdict(&self, workload: &str) -> Option<&Verdict> {
        let mut all = self.checked.iter();
        all.find(|checked| checked.workload == workload)
            .map(|checked| &checked.verdict)
    }

    /// Operations of all workloads that were checked.
    pub fn operations(&self) -> u64 {
        let all = self.checked.iter();
        all.map(|checked| checked.done + checked.not_done + checked.unknown)
            .sum()
    }
}
