//! One property a file; the table is in [`super`].

mod answered;
mod certain;
mod delivered;
mod early;
mod ended;
mod order;
mod recorded;

use super::history::History;
use crate::workloads::coordination::Findings;
use crate::workloads::leases;

/// Everything that is wrong.
pub fn all(history: &History<'_>) -> Findings {
    let operations = history.lease_operations();
    let of_leases = leases::History::at(&operations, history.truth, history.moments.clone(), history.faults);
    let mut findings = leases::violations(&of_leases);
    findings.add("states", history.items.wrong.clone());
    findings.add("answered", answered::check(history));
    findings.add("delivered", delivered::check(history));
    findings.add("recorded", recorded::check(history));
    findings.add("ended", ended::check(history, &of_leases.lives));
    findings.add("early", early::check(history));
    findings.add("certain", certain::check(history));
    findings.add("order", order::check(history));
    findings
}
