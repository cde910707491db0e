//! Reads keys.

use bincode::{Decode, Encode};

use crate::mvcc::{KeyRecord, Selector};
use crate::types::Revision;

/// What to sort a range by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// Writes since creation.
    Version,
    /// Revision of creation.
    CreateRevision,
    /// Revision of the last write.
    ModRevision,
    /// The value.
    Value,
}

/// Reads every key that matches, up to the limits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Range {
    /// Name of the domain.
    pub domain: String,
    /// Which keys.
    pub keys: Selector,
    /// At which revision; absent: the current one. Always absent inside a transaction.
    pub revision: Option<Revision>,
    /// At most this many records, at least 1.
    pub limit: u64,
    /// At most this many bytes of keys and values, but at least one record.
    pub bytes_max: u64,
    /// Leave the values out.
    pub keys_only: bool,
    /// Return the count alone.
    pub count_only: bool,
    /// Sort by.
    pub sort: SortTarget,
    /// Largest first.
    pub descending: bool,
    /// Bounds on the revision of the last write, inclusive.
    pub mod_revision: (Option<Revision>, Option<Revision>),
    /// Bounds on the revision of creation, inclusive.
    pub create_revision: (Option<Revision>, Option<Revision>),
    /// Only records that carry this tag.
    pub tag: Option<String>,
    /// Only keys after this one in the order of the reply (key order only).
    pub after: Option<Vec<u8>>,
}

/// What a range answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RangeReply {
    /// The records, in the order that was asked for.
    pub records: Vec<KeyRecord>,
    /// Every record that matches, whatever the limits.
    pub count: u64,
    /// There are more than were returned.
    pub more: bool,
}
