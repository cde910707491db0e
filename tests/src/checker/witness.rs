//! The three parts of the check, put together.

use std::collections::BTreeMap;

use super::replay::{Placed, Replay};
use super::{Violation, real_time};
use crate::audit::Change;
use crate::history::{Operation, Response};

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operations whose answers were compared with the model.
    pub operations: usize,
    /// Revisions that were replayed.
    pub revisions: u64,
    /// Writes whose outcome the client did not learn, and which turned out to be applied.
    pub unknown_applied: usize,
    /// Writes whose outcome the client did not learn, and which were not applied.
    pub unknown_absent: usize,
}

/// How a check ended. Only [`Verdict::Ok`] is a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every answer is explained.
    Ok(Summary),
    /// An answer cannot be explained.
    Illegal(Violation),
    /// Something needed for a verdict is missing.
    Unknown(String),
}

impl Verdict {
    /// The summary of a pass; otherwise the explanation.
    pub fn into_result(self) -> Result<Summary, String> {
        match self {
            Verdict::Ok(summary) => Ok(summary),
            Verdict::Illegal(violation) => Err(format!("illegal: {violation}")),
            Verdict::Unknown(reason) => Err(format!("no verdict: {reason}")),
        }
    }
}

/// Checks a history that began at revision `base` with none of its keys in the store. `changes` is what the store
/// itself shows, as far as it was read back; revisions that are in neither are a verdict of unknown.
pub fn check(operations: &[Operation], base: u64, changes: &BTreeMap<u64, Change>) -> Verdict {
    let known = with_what_reads_show(operations, base, changes);
    match Replay::new(operations, base, &known).run() {
        Ok(placed) => match real_time::check(operations, &placed) {
            Ok(()) => Verdict::Ok(summary(operations, base, &placed)),
            Err(violation) => Verdict::Illegal(violation),
        },
        // An answer out of order is the better explanation, and needs no complete replay.
        Err(stop) => match real_time::check(operations, &Placed::acknowledged(operations)) {
            Err(violation) if !stop.is_certain() => Verdict::Illegal(violation),
            _ => stop.into_verdict(),
        },
    }
}

/// A record that any answer shows tells what the revision that it carries has written.
fn with_what_reads_show(operations: &[Operation], base: u64, changes: &BTreeMap<u64, Change>) -> BTreeMap<u64, Change> {
    let mut known = changes.clone();
    for operation in operations {
        let record = match &operation.response {
            Response::Read { record, .. } => record,
            Response::Unchanged { current, .. } => current,
            _ => continue,
        };
        if let Some(record) = record.as_ref().filter(|record| record.mod_revision > base) {
            known.entry(record.mod_revision).or_insert_with(|| Change::Put {
                key: operation.request.key().clone(),
                record: record.clone(),
            });
        }
    }
    known
}

fn summary(operations: &[Operation], base: u64, placed: &Placed) -> Summary {
    let is_unknown_write = |operation: &Operation| {
        operation.response == Response::Unknown && !matches!(operation.request, crate::history::Request::Get { .. })
    };
    let unknown: Vec<usize> = (0..operations.len())
        .filter(|index| is_unknown_write(&operations[*index]))
        .collect();
    let unknown_applied = unknown
        .iter()
        .filter(|index| placed.revision(**index).is_some())
        .count();
    Summary {
        operations: (0..operations.len())
            .filter(|index| placed.revision(*index).is_some())
            .count(),
        revisions: placed.last().saturating_sub(base),
        unknown_applied,
        unknown_absent: unknown.len() - unknown_applied,
    }
}
