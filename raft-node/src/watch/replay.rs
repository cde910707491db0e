//! Reads revisions again from the store: the list of changes says what each touched, the history has the records.

use std::ops::{Bound, ControlFlow};

use crate::mvcc::{self, AppliedRevision, ChangeKind, ChangedKey, ChangedRecords, Changes, corrupt, keys};
use crate::storage::{StorageError, Table, View};
use crate::types::Revision;

/// Bytes of changes, and of records, that one step reads, unless a single revision has more.
const BYTES_MAX: usize = 4 << 20;

/// What a step has read.
pub(super) struct Replayed {
    /// The revisions of which something is wanted, in order, with what is wanted of them.
    pub(super) revisions: Vec<AppliedRevision>,
    /// Everything up to here was looked at.
    pub(super) reached: Revision,
}

/// Reads what comes after `after`, at most `count` revisions, not past `newest`. Of each it takes what `wants` picks: the
/// numbers of its keys first, then those of its events. The caller has made sure that nothing of it was compacted in this
/// view.
pub(super) fn replay(
    view: &dyn View,
    after: Revision,
    newest: Revision,
    count: u64,
    mut wants: impl FnMut(Revision, &Changes) -> Vec<u32>,
) -> Result<Replayed, StorageError> {
    let mut last = Revision(after.0.saturating_add(count)).min(newest);
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut failed = None;
    let (from, to) = (keys::changes(after), keys::changes(last));
    let (from, to) = (Bound::Excluded(from.as_slice()), Bound::Included(to.as_slice()));
    view.scan(Table::Changes, from, to, false, &mut |key, row| {
        let Some(revision) = keys::decode_changes(key) else {
            failed = Some(corrupt("reading changes", &"a key does not decode"));
            return ControlFlow::Break(());
        };
        match Changes::from_row(row) {
            Ok(changes) => {
                let wanted = wants(revision, &changes);
                if !wanted.is_empty() {
                    let changes = pick(changes, &wanted);
                    bytes += changes.bytes();
                    found.push((revision, changes));
                }
                if bytes < BYTES_MAX {
                    return ControlFlow::Continue(());
                }
                last = revision;
                ControlFlow::Break(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    with_records(view, found, last)
}

/// Only what is wanted.
fn pick(changes: Changes, wanted: &[u32]) -> Changes {
    let keys = changes.keys.len();
    let is_wanted = |number: usize| u32::try_from(number).is_ok_and(|number| wanted.binary_search(&number).is_ok());
    let numbered = |from: usize| (from..).map(is_wanted);
    Changes {
        wall_ms: changes.wall_ms,
        keys: picked(changes.keys, numbered(0)),
        events: picked(changes.events, numbered(keys)),
    }
}

fn picked<T>(all: Vec<T>, wanted: impl Iterator<Item = bool>) -> Vec<T> {
    let kept = all.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
    kept.map(|(one, _)| one).collect()
}

fn with_records(view: &dyn View, found: Vec<(Revision, Changes)>, last: Revision) -> Result<Replayed, StorageError> {
    let mut replayed = Replayed {
        revisions: Vec::with_capacity(found.len()),
        reached: last,
    };
    let mut bytes = 0;
    for (revision, changes) in found {
        if bytes >= BYTES_MAX {
            replayed.reached = Revision(revision.0 - 1);
            break;
        }
        let mut records = Vec::with_capacity(changes.keys.len());
        for changed in &changes.keys {
            records.push(records_of(view, revision, changed)?);
        }
        let applied = AppliedRevision {
            revision,
            changes,
            records,
        };
        bytes += applied.bytes();
        replayed.revisions.push(applied);
    }
    Ok(replayed)
}

/// What a revision wrote under a key, and what it replaced.
fn records_of(view: &dyn View, revision: Revision, changed: &ChangedKey) -> Result<ChangedRecords, StorageError> {
    let history = keys::history(changed.domain, &changed.key, revision);
    let record = match changed.kind {
        ChangeKind::Put => mvcc::record_at(view, changed.domain, &changed.key, Some(revision))?,
        ChangeKind::Delete | ChangeKind::Expire => None,
    };
    if changed.kind == ChangeKind::Put && record.is_none() {
        return Err(corrupt("reading history", &"what a revision wrote is not there"));
    }
    Ok(ChangedRecords {
        record,
        previous: view.get(Table::History, &history)?,
    })
}
