//! What is said at the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::Counts;
use crate::cli::output;

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Files counted.
    pub files: usize,
    /// Sum of the results in the store.
    pub counts: Counts,
    /// Workers that were not lost.
    pub workers: u16,
    /// Files that a lost worker held, and that others did.
    pub came_back: usize,
    /// Reports of progress that were acknowledged.
    pub reports: u64,
    /// Reports of progress that were not.
    pub reports_failed: u64,
    /// Times that they were read at another node.
    pub report_reads: u64,
    /// Calls that the workers made.
    pub operations: u64,
    /// From the first task to the last result.
    pub elapsed: Duration,
    /// After the first election.
    pub leader_changes: u64,
    /// Longest time without a successful write.
    pub write_gap: Duration,
    /// Calls that were sent once more.
    pub retries: u64,
    /// Calls whose outcome the SDK could not tell.
    pub unknown_outcomes: u64,
}

impl Report {
    fn operations_per_second(&self) -> u64 {
        // Figures for people: what a float rounds away does not matter.
        (self.operations as f64 / self.elapsed.as_secs_f64().max(0.001)) as u64
    }

    /// For programs.
    pub fn to_json(self) -> Value {
        json!({
            "files": self.files,
            "lines": self.counts.lines,
            "words": self.counts.words,
            "bytes": self.counts.bytes,
            "workers": self.workers,
            "workers_lost": 1,
            "files_came_back": self.came_back,
            "progress_reports": self.reports,
            "progress_reports_failed": self.reports_failed,
            "progress_reads_elsewhere": self.report_reads,
            "elapsed_ms": self.elapsed.as_millis() as u64,
            "operations": self.operations,
            "operations_per_second": self.operations_per_second(),
            "leader_changes": self.leader_changes,
            "longest_write_gap_ms": self.write_gap.as_millis() as u64,
            "retries": self.retries,
            "unknown_outcomes": self.unknown_outcomes,
        })
    }

    /// For people.
    pub fn to_text(self) -> String {
        let rows = [
            ("files", self.files.to_string()),
            ("lines", self.counts.lines.to_string()),
            ("words", self.counts.words.to_string()),
            ("bytes", self.counts.bytes.to_string()),
            ("workers", format!("{}, and 1 that was lost", self.workers)),
            ("files that came back", self.came_back.to_string()),
            (
                "progress reports",
                format!("{}, and {} that failed", self.reports, self.reports_failed),
            ),
            ("read at another node", format!("{} times", self.report_reads)),
            ("time", format!("{:.1} s", self.elapsed.as_secs_f64())),
            ("operations", self.operations.to_string()),
            ("operations/s", self.operations_per_second().to_string()),
            ("leader changes", self.leader_changes.to_string()),
            ("longest write gap", format!("{} ms", self.write_gap.as_millis())),
            ("retries", self.retries.to_string()),
            ("unknown outcomes", self.unknown_outcomes.to_string()),
        ];
        let table = output::table(
            &["what", "how much"],
            rows.map(|(name, value)| vec![name.to_owned(), value]),
        );
        format!("{table}\nEvery file is counted once, and the totals in the store equal a plain count.")
    }
}
