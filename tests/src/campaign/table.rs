//! A report as tables.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{LineStyle, Table, TableStyle};

use super::report::{Outcome, Report};
use crate::journal::Fault;

/// One line below the header: narrow, and easy to cut columns from.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A violation is shown up to here; the journal has all of it.
const CHARACTERS_MAX: usize = 4_000;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.workloads())?;
        if !self.faults.is_empty() {
            writeln!(f, "{}\n", faults(&self.faults))?;
        }
        for checked in &self.checked {
            let text: String = checked.verdict.text().chars().take(CHARACTERS_MAX).collect();
            writeln!(f, "{} is {}: {text}", checked.workload, checked.verdict.name())?;
        }
        for missing in &self.missing {
            writeln!(f, "missing: {missing}")?;
        }
        let outcome = match self.outcome() {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::NotCounted => "not counted",
        };
        let took = Duration::from_micros(self.end.stopped_us.saturating_sub(self.end.began_us));
        write!(
            f,
            "{outcome}: {} operations, {} faults in {:.0} s, {} revisions, state {:016x} on every member at index {}, seed {}, \
             version {}",
            self.operations(),
            self.faults.len(),
            took.as_secs_f32(),
            self.end.revision,
            self.end.state_hash,
            self.end.applied_index,
            self.header.seed,
            self.header.version
        )
    }
}

impl Report {
    fn workloads(&self) -> Table {
        let mut table = table(&["workload", "done", "not done", "unknown", "kinds", "verdict"]);
        for checked in &self.checked {
            let kinds = checked.kinds.iter();
            let kinds: Vec<String> = kinds.map(|(kind, times)| format!("{kind} {}", times.len())).collect();
            table.add_row([
                checked.workload.to_owned(),
                checked.done.to_string(),
                checked.not_done.to_string(),
                checked.unknown.to_string(),
                kinds.join(", "),
                checked.verdict.name().to_owned(),
            ]);
        }
        table
    }
}

#[derive(Default)]
struct Row {
    times: u64,
    leader_hit: u64,
    longest: Duration,
    evidence: String,
}

fn faults(faults: &[Fault]) -> Table {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for fault in faults {
        let row = rows.entry(&fault.fault).or_default();
        row.times += 1;
        row.leader_hit += u64::from(fault.leader_hit);
        row.longest = row
            .longest
            .max(Duration::from_micros(fault.ended_us.saturating_sub(fault.began_us)));
        row.evidence.clone_from(&fault.evidence);
    }
    let mut table = table(&["fault", "times", "leader hit", "longest", "the last was seen so"]);
    for (kind, row) in rows {
        table.add_row([
            kind.to_owned(),
            row.times.to_string(),
            row.leader_hit.to_string(),
            format!("{:.1} s", row.longest.as_secs_f32()),
            row.evidence,
        ]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().copied());
    table
}
