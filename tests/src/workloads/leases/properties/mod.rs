//! One property a file; the table is in [`super`].

mod answered;
mod early;
mod late;
mod whole;

use super::history::History;
use crate::workloads::coordination::Findings;

pub use late::{SLACK, worst};

/// Everything that is wrong.
pub fn all(history: &History<'_>) -> Findings {
    let mut findings = Findings::default();
    findings.add("once", history.lives.wrong.clone());
    findings.add("whole", whole::check(history));
    findings.add("answered", answered::check(history));
    findings.add("early", early::check(history));
    findings.add("late", late::check(history));
    findings
}
