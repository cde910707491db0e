//! Deletes keys.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use super::put::unindex;
use crate::leases;
use crate::mvcc::changes::{ChangeKind, ChangedKey, ChangedRecords};
use crate::mvcc::domains::DomainIndex;
use crate::mvcc::past::latest_end;
use crate::mvcc::record::{RecordRef, corrupt};
use crate::mvcc::stage::{DELETED_BYTES_MAX, DELETES_MAX, Edit, Failure};
use crate::mvcc::{KeyRecord, Selector, keys};
use crate::storage::{StorageError, Table, View};
use crate::types::DomainId;

/// Deletes every key that matches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delete {
    /// Name of the domain.
    pub domain: String,
    /// Which keys.
    pub keys: Selector,
    /// Return what was deleted.
    pub previous: bool,
}

/// What a delete answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeleteReply {
    /// How many keys went.
    pub deleted: u64,
    /// Their records, if asked for.
    pub previous: Vec<KeyRecord>,
}

/// Deletes the keys. Everything that can be refused is refused before the first write.
pub fn delete(edit: &mut Edit<'_>, delete: &Delete) -> Result<DeleteReply, Failure> {
    let index = edit.domains.strong(&delete.domain)?;
    let domain = edit.domains.id(index);
    let found = find(edit.stage, domain, &delete.keys)?;
    edit.charge_deletes(found.keys, found.bytes)?;
    let mut previous = Vec::new();
    for (stored_key, stored) in &found.rows {
        let record = RecordRef::parse(stored)?;
        let key = keys::user_key(stored_key);
        if record.mod_revision == edit.revision {
            return Err(edit.duplicate(key).into());
        }
        if delete.previous {
            edit.charge_reply(record.bytes(key))?;
            previous.push(KeyRecord {
                key: key.to_vec(),
                record: record.to_record(true),
            });
        }
    }
    for (stored_key, stored) in found.rows {
        remove(edit, index, stored_key, stored, ChangeKind::Delete)?;
    }
    Ok(DeleteReply {
        deleted: found.keys,
        previous,
    })
}

/// Moves one newest record into history. The caller has checked that this transaction did not write it.
pub fn remove(
    edit: &mut Edit<'_>,
    index: DomainIndex,
    stored_key: Vec<u8>,
    stored: Vec<u8>,
    kind: ChangeKind,
) -> Result<(), Failure> {
    let domain = edit.domains.id(index);
    let record = RecordRef::parse(&stored)?;
    let key = keys::user_key(&stored_key).to_vec();
    let bytes = record.bytes(&key);
    edit.domains.resize(index, bytes, 0)?;
    unindex(edit, domain, &key, &record);
    if let Some(lease) = record.lease {
        leases::detach_key(edit.stage, lease, domain, &key, bytes)?;
    }
    let history = keys::history(domain, &key, edit.revision);
    let records = edit.watched.then(|| ChangedRecords {
        record: None,
        previous: Some(stored.clone()),
    });
    edit.touched(ChangedKey { domain, kind, key }, records);
    edit.stage.put(Table::History, history, stored);
    edit.deleted.insert(stored_key.clone());
    edit.stage.delete(Table::Latest, stored_key);
    Ok(())
}

/// Deletes a key that goes with its lease.
pub fn delete_attached(edit: &mut Edit<'_>, domain: DomainId, key: &[u8], kind: ChangeKind) -> Result<(), Failure> {
    let stored_key = keys::latest(domain, key);
    let (Some(index), Some(stored)) = (edit.domains.by_id(domain), edit.stage.get(Table::Latest, &stored_key)?) else {
        return Err(corrupt("ending a lease", &"a key that is attached to it has no record").into());
    };
    if RecordRef::parse(&stored)?.mod_revision == edit.revision {
        return Err(edit.duplicate(key).into());
    }
    remove(edit, index, stored_key, stored, kind)
}

struct Found {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    keys: u64,
    bytes: u64,
}

/// Every key that matches, with its record; the search ends where the limits of a transaction are passed.
fn find(view: &dyn View, domain: DomainId, selector: &Selector) -> Result<Found, StorageError> {
    let mut found = Found {
        rows: Vec::new(),
        keys: 0,
        bytes: 0,
    };
    if let Selector::Key(key) = selector {
        let stored_key = keys::latest(domain, key);
        if let Some(stored) = view.get(Table::Latest, &stored_key)? {
            found.keys = 1;
            found.bytes = (stored_key.len() + stored.len()) as u64;
            found.rows.push((stored_key, stored));
        }
        return Ok(found);
    }
    let span = selector.span();
    if span.is_empty() {
        return Ok(found);
    }
    let (from, to) = (keys::latest(domain, &span.start), latest_end(domain, &span));
    let (from, to) = (Bound::Included(from.as_slice()), keys::up_to(to.as_ref()));
    view.scan(Table::Latest, from, to, false, &mut |stored_key, stored| {
        if selector.matches_in_span(keys::user_key(stored_key)) {
            found.keys += 1;
            found.bytes += (stored_key.len() + stored.len()) as u64;
            if found.keys > DELETES_MAX || found.bytes > DELETED_BYTES_MAX {
                return ControlFlow::Break(());
            }
            found.rows.push((stored_key.to_vec(), stored.to_vec()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
