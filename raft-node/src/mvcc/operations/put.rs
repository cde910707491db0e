//! Writes one key.

use bincode::{Decode, Encode};

use crate::codec;
use crate::leases;
use crate::mvcc::changes::{ChangeKind, ChangedKey, ChangedRecords};
use crate::mvcc::keys;
use crate::mvcc::record::{RecordRef, corrupt};
use crate::mvcc::stage::{Edit, Failure};
use crate::mvcc::{KeyRecord, Record};
use crate::storage::{StorageError, Table};
use crate::types::{DomainId, LeaseId};

/// Writes a key, creating it if need be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Put {
    /// Name of the domain.
    pub domain: String,
    /// The key, not empty.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// Whose life it shares.
    pub lease: Option<LeaseId>,
    /// Life in log time from the moment of apply, in milliseconds; absent: as long as the lease, without one as the
    /// domain says.
    pub ttl_ms: Option<u64>,
    /// Sorted, without duplicates.
    pub tags: Vec<String>,
    /// Return the record that was replaced.
    pub previous: bool,
}

/// What a put answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PutReply {
    /// The record that was replaced, if asked for and there was one.
    pub previous: Option<KeyRecord>,
}

/// Writes the key: one read, and one row in each of latest, history (unless the key is new) and changes. Everything
/// that can be refused is refused before the first write.
pub fn put(edit: &mut Edit<'_>, put: Put) -> Result<PutReply, Failure> {
    let index = edit.domains.strong(&put.domain)?;
    let domain = edit.domains.id(index);
    let stored_key = keys::latest(domain, &put.key);
    let stored = edit.stage.get(Table::Latest, &stored_key)?;
    let before = stored.as_deref().map(RecordRef::parse).transpose()?;
    let written_already = before
        .as_ref()
        .is_some_and(|before| before.mod_revision == edit.revision);
    if written_already || edit.deleted.contains(&stored_key) {
        return Err(edit.duplicate(&put.key).into());
    }
    let mut previous = None;
    if put.previous
        && let Some(before) = &before
    {
        edit.charge_reply(before.bytes(&put.key))?;
        previous = Some(KeyRecord {
            key: put.key.clone(),
            record: before.to_record(true),
        });
    }
    let ttl_ms = edit.domains.ttl_ms(index, put.ttl_ms, put.lease)?;
    let record = Record {
        create_revision: before.as_ref().map_or(edit.revision, |before| before.create_revision),
        mod_revision: edit.revision,
        version: before.as_ref().map_or(1, |before| before.version + 1),
        lease: put.lease,
        expires_at: ttl_ms.map(|ttl_ms| edit.log_time.after(ttl_ms)),
        tags: put.tags,
        value: put.value,
    };
    let bytes_before = before.as_ref().map_or(0, |before| before.bytes(&put.key));
    let bytes = record.bytes(&put.key);
    edit.domains.resize(index, bytes_before, bytes)?;

    let lease_before = before.as_ref().and_then(|before| before.lease);
    let attached = match record.lease {
        None => Ok(()),
        Some(lease) if lease_before == Some(lease) => leases::resize_key(edit.stage, lease, bytes_before, bytes)?,
        Some(lease) => leases::attach_key(edit.stage, lease, domain, &put.key, bytes)?,
    };
    if let Err(refusal) = attached {
        return Err(edit.refused(refusal));
    }
    if let Some(lease) = lease_before.filter(|lease| record.lease != Some(*lease)) {
        leases::detach_key(edit.stage, lease, domain, &put.key, bytes_before)?;
    }
    if let Some(before) = &before {
        unindex(edit, domain, &put.key, before);
    }
    write(edit, domain, put.key, stored_key, stored, &record)?;
    Ok(PutReply { previous })
}

fn write(
    edit: &mut Edit<'_>,
    domain: DomainId,
    key: Vec<u8>,
    stored_key: Vec<u8>,
    replaced: Option<Vec<u8>>,
    record: &Record,
) -> Result<(), StorageError> {
    let stored = encoded(record)?;
    let records = edit.watched.then(|| ChangedRecords {
        record: Some(stored.clone()),
        previous: replaced.clone(),
    });
    if let Some(replaced) = replaced {
        let history = keys::history(domain, &key, edit.revision);
        edit.stage.put(Table::History, history, replaced);
    }
    if let Some(at) = record.expires_at {
        edit.stage.put(Table::Index, keys::expiry(at, domain, &key), Vec::new());
    }
    for tag in &record.tags {
        edit.stage.put(Table::Index, keys::tag(domain, tag, &key), Vec::new());
    }
    edit.stage.put(Table::Latest, stored_key, stored);
    let kind = ChangeKind::Put;
    edit.touched(ChangedKey { domain, kind, key }, records);
    Ok(())
}

fn encoded(record: &Record) -> Result<Vec<u8>, StorageError> {
    // Envelope, six numbers of up to nine bytes, and a length before each tag and the value.
    let tag_bytes: usize = record.tags.iter().map(|tag| tag.len() + 9).sum();
    let mut out = Vec::with_capacity(80 + record.value.len() + tag_bytes);
    codec::encode_into(record, &mut out).map_err(|error| corrupt("writing a record", &error))?;
    Ok(out)
}

/// Removes the index entries of a record that goes, except that of its lease.
pub fn unindex(edit: &mut Edit<'_>, domain: DomainId, key: &[u8], record: &RecordRef<'_>) {
    if let Some(at) = record.expires_at {
        edit.stage.delete(Table::Index, keys::expiry(at, domain, key));
    }
    for tag in &record.tags {
        edit.stage.delete(Table::Index, keys::tag(domain, tag, key));
    }
}
