//! What happened to a key.

use bytes::Bytes;
use quorate_proto::v1;

use crate::record::Record;

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyEvent {
    /// The domain of the key.
    pub domain: String,
    /// What happened.
    pub kind: KeyEventKind,
    /// The record as it was written. Where the key went: its name, and as `mod_revision` the revision at which it did.
    pub record: Record,
    /// The record before, if [`OpenWatch::previous`](crate::OpenWatch::previous) asked for it and there was one.
    pub previous: Option<Record>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyEventKind {
    /// It was written.
    Put,
    /// It was deleted, or went with a lease that was revoked.
    Delete,
    /// Its time was over, or its lease expired.
    Expire,
}

impl KeyEvent {
    /// The key.
    pub fn key(&self) -> &Bytes {
        &self.record.key
    }

    /// Whether it was written and did not exist before.
    pub fn is_create(&self) -> bool {
        self.kind == KeyEventKind::Put && self.record.version == 1
    }

    /// The record after it; none where the key went.
    pub fn current(&self) -> Option<&Record> {
        (self.kind == KeyEventKind::Put).then_some(&self.record)
    }

    /// None if the kind or the record is missing.
    pub(super) fn from_wire(event: v1::KeyEvent) -> Option<Self> {
        let kind = match event.kind() {
            v1::KeyEventKind::Put => KeyEventKind::Put,
            v1::KeyEventKind::Delete => KeyEventKind::Delete,
            v1::KeyEventKind::Expire => KeyEventKind::Expire,
            v1::KeyEventKind::Unspecified => return None,
        };
        Some(Self {
            domain: event.domain,
            kind,
            record: event.record?.into(),
            previous: event.previous.map(Record::from),
        })
    }
}
