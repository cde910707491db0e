//! Records, keys and what may stand for them.

use bytes::Bytes;
use quorate_proto::v1;

/// A key with its value, as it was at the revision of the reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Bytes,
    /// The value; empty when only keys were asked for.
    pub value: Bytes,
    /// The revision at which the key was created.
    pub create_revision: u64,
    /// The revision of its last write.
    pub mod_revision: u64,
    /// Writes since its creation; 1 right after it.
    pub version: u64,
    /// The lease whose life it shares, if any.
    pub lease: Option<u64>,
    /// When it goes, in milliseconds of the cluster's log time; absent: never.
    pub expires_at_ms: Option<u64>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl From<v1::Record> for Record {
    fn from(record: v1::Record) -> Self {
        Self {
            key: record.key,
            value: record.value,
            create_revision: record.create_revision,
            mod_revision: record.mod_revision,
            version: record.version,
            lease: (record.lease != 0).then_some(record.lease),
            expires_at_ms: (record.expires_at_ms != 0).then_some(record.expires_at_ms),
            tags: record.tags,
        }
    }
}

/// What may be given as a key or a value. Owned bytes are moved, borrowed ones are copied.
pub trait IntoBytes {
    /// The bytes.
    fn into_bytes(self) -> Bytes;
}

impl IntoBytes for Bytes {
    fn into_bytes(self) -> Bytes {
        self
    }
}

impl IntoBytes for &Bytes {
    fn into_bytes(self) -> Bytes {
        self.clone()
    }
}

impl IntoBytes for Vec<u8> {
    fn into_bytes(self) -> Bytes {
        self.into()
    }
}

impl IntoBytes for String {
    fn into_bytes(self) -> Bytes {
        self.into()
    }
}

impl IntoBytes for &str {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl IntoBytes for &String {
    fn into_bytes(self) -> Bytes {
        self.as_str().into_bytes()
    }
}

impl IntoBytes for &[u8] {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl IntoBytes for &Vec<u8> {
    fn into_bytes(self) -> Bytes {
        self.as_slice().into_bytes()
    }
}

impl<const N: usize> IntoBytes for &[u8; N] {
    fn into_bytes(self) -> Bytes {
        self.as_slice().into_bytes()
    }
}

impl<const N: usize> IntoBytes for [u8; N] {
    fn into_bytes(self) -> Bytes {
        self.as_slice().into_bytes()
    }
}

/// Which keys a call means. Anything that can be a key stands for that one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(v1::key_selector::Kind);

impl Keys {
    /// One key.
    pub fn key(key: impl IntoBytes) -> Self {
        Self(v1::key_selector::Kind::Key(key.into_bytes()))
    }

    /// Every key that starts with `prefix`; empty: every key of the domain.
    pub fn prefix(prefix: impl IntoBytes) -> Self {
        Self(v1::key_selector::Kind::Prefix(prefix.into_bytes()))
    }

    /// Every key of the domain.
    pub fn all() -> Self {
        Self::prefix("")
    }

    /// Every key from `start` up to, and without, `end`; an empty `end` is no bound.
    pub fn interval(start: impl IntoBytes, end: impl IntoBytes) -> Self {
        let interval = v1::Interval {
            start: start.into_bytes(),
            end: end.into_bytes(),
        };
        Self(v1::key_selector::Kind::Interval(interval))
    }

    /// Every key that matches: `*` stands for anything within a path segment, `**` across segments.
    pub fn pattern(pattern: impl Into<String>) -> Self {
        Self(v1::key_selector::Kind::Pattern(pattern.into()))
    }

    pub(crate) fn into_selector(self) -> v1::KeySelector {
        v1::KeySelector { kind: Some(self.0) }
    }
}

impl<K: IntoBytes> From<K> for Keys {
    fn from(key: K) -> Self {
        Self::key(key)
    }
}
