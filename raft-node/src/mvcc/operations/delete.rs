//! Deletes keys.

use bincode::{Decode, Encode};

use crate::mvcc::{KeyRecord, Selector};

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
