//! A key's record.

use bincode::{Decode, Encode};

use crate::codec;
use crate::types::{LeaseId, LogTimeMs, Revision};

/// What the store knows of a key at a revision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Revision at which the key came into being.
    pub create_revision: Revision,
    /// Revision of its last write.
    pub mod_revision: Revision,
    /// Writes since creation, from 1.
    pub version: u64,
    /// Whose life the key shares.
    pub lease: Option<LeaseId>,
    /// When it goes, in log time.
    pub expires_at: Option<LogTimeMs>,
    /// Sorted, without duplicates.
    pub tags: Vec<String>,
    /// The value.
    pub value: Vec<u8>,
}

impl codec::Record for Record {
    const ID: u16 = 0x0201;
    const VERSION: u8 = 1;
}

/// A record with its key, as reads return it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyRecord {
    /// The key.
    pub key: Vec<u8>,
    /// Its record; the value is empty where only keys were asked for.
    pub record: Record,
}
