//! Writes one key.

use bincode::{Decode, Encode};

use crate::mvcc::KeyRecord;
use crate::types::LeaseId;

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
    /// Life in log time from the moment of apply, in milliseconds; absent: for ever.
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
