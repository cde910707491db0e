//! The witness check of registers, with the log as the witness.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{PREFIX, RegisterAnswer, RegisterCall, RegisterRecord, search};
use crate::audit::Change;
use crate::checker;
use crate::history::{self, Request, Response};
use crate::journal::{Answer, Operation};
use crate::linearizable::{KeyOperation, by_key};
use crate::model::Versioned;
use crate::verdict::Verdict;
use crate::watch_check::{Event, KeyKind, Truth};

pub(super) fn check(operations: &[Operation<RegisterCall, RegisterAnswer>], truth: &Truth, base: u64) -> Verdict {
    let changes = match changes(truth, base) {
        Ok(changes) => changes,
        Err(illegal) => return Verdict::Illegal(illegal),
    };
    let history: Vec<history::Operation> = operations.iter().map(converted).collect();
    let summary = match checker::check(&history, base, &changes) {
        checker::Verdict::Ok(summary) => summary,
        checker::Verdict::Illegal(violation) => return Verdict::Illegal(violation.to_string()),
        checker::Verdict::Unknown(reason) => return Verdict::Unknown(reason),
    };
    let swapped = history.iter().any(|operation| {
        matches!(operation.request, Request::CompareAndSwap { .. })
            && matches!(operation.response, Response::Written { .. })
    });
    match swapped {
        false => Verdict::Unknown("no swap was ever done".to_owned()),
        true => {
            let explained = Verdict::Ok(format!(
                "{} answers explained by the log; {} writes of unknown outcome applied, {} not",
                summary.operations, summary.unknown_applied, summary.unknown_absent
            ));
            explained.and(search::search(&history, &written(&changes)))
        }
    }
}

/// The calls of each key, without revisions and without what never happened.
pub fn registers(
    operations: &[Operation<RegisterCall, RegisterAnswer>],
    truth: &Truth,
    base: u64,
) -> Result<BTreeMap<Bytes, Vec<KeyOperation>>, String> {
    let history: Vec<history::Operation> = operations.iter().map(converted).collect();
    Ok(by_key(&history, Some(&written(&changes(truth, base)?))))
}

/// Every value that the log has.
fn written(changes: &BTreeMap<u64, Change>) -> HashSet<Bytes> {
    let values = changes.values().filter_map(|change| match change {
        Change::Put { record, .. } => Some(record.value.clone()),
        Change::Delete { .. } | Change::Nothing | Change::Elsewhere => None,
    });
    values.collect()
}

/// What each revision did to registers; most do nothing to them.
fn changes(truth: &Truth, base: u64) -> Result<BTreeMap<u64, Change>, String> {
    let mut changes = BTreeMap::new();
    for (revision, events) in truth.between(base + 1, truth.last()) {
        let mut change = Change::Elsewhere;
        for event in events {
            let Event::Key(event) = event else { continue };
            if !event.record.key.starts_with(PREFIX.as_bytes()) {
                continue;
            }
            if change != Change::Elsewhere {
                return Err(format!("revision {revision} changed two registers: {events:?}"));
            }
            let key = event.record.key.clone();
            change = match event.kind {
                KeyKind::Put => Change::Put {
                    key,
                    record: Versioned {
                        value: event.record.value.clone(),
                        mod_revision: event.record.mod_revision,
                        version: event.record.version,
                    },
                },
                KeyKind::Delete => Change::Delete { key },
                KeyKind::Expire => {
                    return Err(format!(
                        "revision {revision} took a register that had no end: {event:?}"
                    ));
                }
            };
        }
        changes.insert(revision, change);
    }
    Ok(changes)
}

fn converted(operation: &Operation<RegisterCall, RegisterAnswer>) -> history::Operation {
    let request = match operation.call.clone() {
        RegisterCall::Put { key, value } => Request::Put {
            key: key.0,
            value: value.0,
        },
        RegisterCall::Swap { key, expected, value } => Request::CompareAndSwap {
            key: key.0,
            expected,
            value: value.0,
        },
        RegisterCall::Delete { key } => Request::Delete { key: key.0 },
        RegisterCall::Get { key } => Request::Get {
            key: key.0,
            strong: true,
        },
        RegisterCall::GetLocal { key } => Request::Get {
            key: key.0,
            strong: false,
        },
    };
    let response = match operation.answer.clone() {
        Answer::NotDone => Response::NotApplied,
        Answer::Unknown => Response::Unknown,
        Answer::Done(RegisterAnswer::Written { revision }) => Response::Written { revision },
        Answer::Done(RegisterAnswer::Unchanged { revision, current }) => Response::Unchanged {
            revision,
            current: current.map(versioned),
        },
        Answer::Done(RegisterAnswer::Read { revision, record }) => Response::Read {
            revision,
            record: record.map(versioned),
        },
    };
    history::Operation {
        client: operation.client,
        invoked: operation.invoked,
        returned: operation.returned,
        request,
        response,
    }
}

fn versioned(record: RegisterRecord) -> Versioned {
    Versioned {
        value: record.value.0,
        mod_revision: record.mod_revision,
        version: record.version,
    }
}
