//! Deletes keys whose time has come.

use std::ops::{Bound, ControlFlow};

use super::delete::remove;
use crate::mvcc::changes::ChangeKind;
use crate::mvcc::keys;
use crate::mvcc::record::corrupt;
use crate::mvcc::stage::{DELETED_BYTES_MAX, DELETES_MAX, Edit, Failure};
use crate::storage::{StorageError, Table, View};
use crate::types::{DomainId, LogTimeMs};

/// Deletes keys whose expiry is at or before the log time, the earliest first, up to `keys_max` and to the limits of a
/// transaction; what is left goes with the next command. Returns how many went.
pub fn expire(edit: &mut Edit<'_>, keys_max: u32) -> Result<u64, Failure> {
    let keys_max = u64::from(keys_max).min(DELETES_MAX);
    let due = due(edit.stage, edit.log_time, keys_max)?;
    let mut bytes = 0;
    let mut removed = 0;
    for (domain, key) in due {
        let stored_key = keys::latest(domain, &key);
        let index = edit.domains.by_id(domain);
        let (Some(index), Some(stored)) = (index, edit.stage.get(Table::Latest, &stored_key)?) else {
            return Err(corrupt("expiring a key", &"an entry of the expiry index has no record").into());
        };
        bytes += (stored_key.len() + stored.len()) as u64;
        if removed > 0 && bytes > DELETED_BYTES_MAX {
            break;
        }
        remove(edit, index, stored_key, stored, ChangeKind::Expire)?;
        removed += 1;
    }
    Ok(removed)
}

/// When the next key expires; none if no key does.
pub fn next_key_expiry(view: &dyn View) -> Result<Option<LogTimeMs>, StorageError> {
    let mut next = None;
    visit_expiries(view, &mut |at, _, _| {
        next = Some(at);
        ControlFlow::Break(())
    })?;
    Ok(next)
}

fn due(view: &dyn View, now: LogTimeMs, keys_max: u64) -> Result<Vec<(DomainId, Vec<u8>)>, StorageError> {
    let mut due = Vec::new();
    visit_expiries(view, &mut |at, domain, key| {
        if at > now || due.len() as u64 >= keys_max {
            return ControlFlow::Break(());
        }
        due.push((domain, key.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(due)
}

fn visit_expiries(
    view: &dyn View,
    visit: &mut dyn FnMut(LogTimeMs, DomainId, &[u8]) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let (from, to) = keys::expiry_span();
    let (from, to) = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
    let mut damaged = false;
    view.scan(
        Table::Index,
        from,
        to,
        false,
        &mut |entry, _| match keys::decode_expiry(entry) {
            Some((at, domain, key)) => visit(at, domain, key),
            None => {
                damaged = true;
                ControlFlow::Break(())
            }
        },
    )?;
    if damaged {
        return Err(corrupt("reading the expiry index", &"an entry does not decode"));
    }
    Ok(())
}
