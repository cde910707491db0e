//! One key at one revision.

use std::ops::{Bound, ControlFlow};

use super::keys;
use super::record::{RecordRef, corrupt};
use crate::storage::{StorageError, Table, View};
use crate::types::{DomainId, Revision};

/// The stored record of a key, as it was at `at`; absent: as it is. `at` must be readable.
pub fn record_at(
    view: &dyn View,
    domain: DomainId,
    key: &[u8],
    at: Option<Revision>,
) -> Result<Option<Vec<u8>>, StorageError> {
    let latest = view.get(Table::Latest, &keys::latest(domain, key))?;
    let Some(at) = at else { return Ok(latest) };
    if let Some(stored) = latest
        && RecordRef::parse(&stored)?.mod_revision <= at
    {
        return Ok(Some(stored));
    }
    let from = keys::history(domain, key, at);
    let to = keys::history(domain, key, Revision(u64::MAX));
    let mut replaced = None;
    let (from, to) = (Bound::Excluded(from.as_slice()), Bound::Included(to.as_slice()));
    view.scan(Table::History, from, to, false, &mut |_, stored| {
        replaced = Some(stored.to_vec());
        ControlFlow::Break(())
    })?;
    match replaced {
        Some(stored) if RecordRef::parse(&stored)?.mod_revision <= at => Ok(Some(stored)),
        _ => Ok(None),
    }
}

/// The user's key and the revision in a key of the history table.
pub fn history_key(stored: &[u8]) -> Result<(Vec<u8>, Revision), StorageError> {
    match keys::decode_history(stored) {
        Some((_, key, revision)) => Ok((key, revision)),
        None => Err(corrupt("reading history", &"a key does not decode")),
    }
}
