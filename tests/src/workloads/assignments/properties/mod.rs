//! One property a file, but for those that are found while the truth is read; the table is in [`super`].

mod answered;
mod fenced;
mod whole;

use super::history::History;
use crate::workloads::coordination::Findings;
use crate::workloads::leases;

/// Everything that is wrong.
pub fn all(history: &History<'_>) -> Findings {
    let operations = history.lease_operations();
    let of_leases = leases::History::at(&operations, history.truth, history.moments.clone(), history.faults);
    let mut findings = leases::violations(&of_leases);
    for (property, what) in &history.fleet.wrong {
        findings.add(property, vec![what.clone()]);
    }
    findings.add("whole", whole::check(history, &of_leases.lives));
    findings.add("answered", answered::check(history));
    findings.add("fenced", fenced::check(history));
    findings
}
