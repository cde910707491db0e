//! One property a file; the table is in [`super`].

mod alone;
mod answered;
mod certain;
mod fenced;
mod kept;
mod order;
mod resource;
mod tokens;
mod whole;

use super::history::History;
use crate::workloads::coordination::Findings;
use crate::workloads::leases;

pub use resource::late_writes;

/// Everything that is wrong.
pub fn all(history: &History<'_>) -> Findings {
    let operations = history.lease_operations();
    let of_leases = leases::History::at(&operations, history.truth, history.moments.clone(), history.faults);
    let mut findings = leases::violations(&of_leases);
    findings.add("once", history.holds.wrong.clone());
    findings.add("tokens", tokens::check(history));
    findings.add("alone", alone::check(history));
    findings.add("whole", whole::check(history));
    findings.add("answered", answered::check(history));
    findings.add("kept", kept::check(history));
    findings.add("certain", certain::check(history));
    findings.add("fenced", fenced::check(history));
    findings.add("resource", resource::check(history));
    findings.add("order", order::check(history));
    findings
}
