//! Events of keys.

use bytes::Bytes;
use quorate_proto::v1::{self as proto, KeyEventKind};

use crate::mvcc::{ChangeKind, ChangedKey, ChangedRecords, RecordRef};
use crate::storage::StorageError;
use crate::types::Revision;
use crate::watch::spec::Shape;

pub(super) fn event(
    revision: Revision,
    changed: &ChangedKey,
    records: Option<&ChangedRecords>,
    shape: Shape,
    domain: &str,
) -> Result<proto::KeyEvent, StorageError> {
    let kind = match changed.kind {
        ChangeKind::Put => KeyEventKind::Put,
        ChangeKind::Delete => KeyEventKind::Delete,
        ChangeKind::Expire => KeyEventKind::Expire,
    };
    let record = |stored: Option<&Vec<u8>>| {
        stored
            .map(|stored| record(&changed.key, stored, shape.keys_only))
            .transpose()
    };
    let written = record(records.and_then(|records| records.record.as_ref()))?;
    let previous = match shape.previous {
        true => record(records.and_then(|records| records.previous.as_ref()))?,
        false => None,
    };
    Ok(proto::KeyEvent {
        domain: domain.to_owned(),
        kind: kind.into(),
        record: Some(written.unwrap_or_else(|| proto::Record {
            key: Bytes::copy_from_slice(&changed.key),
            mod_revision: revision.0,
            ..proto::Record::default()
        })),
        previous,
        ..proto::KeyEvent::default()
    })
}

fn record(key: &[u8], stored: &[u8], keys_only: bool) -> Result<proto::Record, StorageError> {
    let record = RecordRef::parse(stored)?;
    Ok(proto::Record {
        key: Bytes::copy_from_slice(key),
        value: if keys_only {
            Bytes::new()
        } else {
            Bytes::copy_from_slice(record.value)
        },
        create_revision: record.create_revision.0,
        mod_revision: record.mod_revision.0,
        version: record.version,
        lease: record.lease.map_or(0, |lease| lease.0),
        expires_at_ms: record.expires_at.map_or(0, |at| at.0),
        tags: record.tags.iter().map(|tag| (*tag).to_owned()).collect(),
    })
}
