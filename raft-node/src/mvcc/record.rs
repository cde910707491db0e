//! A key's record.

use bincode::{BorrowDecode, Decode, Encode};

use crate::codec::{self, CodecError, Record as _};
use crate::storage::StorageError;
pub use crate::storage::corrupt;
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

impl Record {
    /// What it counts for in its domain and in a budget of bytes: key, value and tags.
    pub fn bytes(&self, key: &[u8]) -> u64 {
        let tags: usize = self.tags.iter().map(String::len).sum();
        (key.len() + self.value.len() + tags) as u64
    }
}

/// A record with its key, as reads return it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyRecord {
    /// The key.
    pub key: Vec<u8>,
    /// Its record; the value is empty where only keys were asked for.
    pub record: Record,
}

impl KeyRecord {
    /// What it costs of a budget of bytes: key, value and tags.
    pub fn bytes(&self) -> u64 {
        self.record.bytes(&self.key)
    }
}

/// A [`Record`] that borrows from its stored bytes, for those who need a few numbers of it and not a copy of the value.
#[derive(Clone, Debug, PartialEq, Eq, BorrowDecode)]
pub struct RecordRef<'a> {
    /// As in [`Record`].
    pub create_revision: Revision,
    /// As in [`Record`].
    pub mod_revision: Revision,
    /// As in [`Record`].
    pub version: u64,
    /// As in [`Record`].
    pub lease: Option<LeaseId>,
    /// As in [`Record`].
    pub expires_at: Option<LogTimeMs>,
    /// As in [`Record`].
    pub tags: Vec<&'a str>,
    /// As in [`Record`].
    pub value: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Reads a stored record. Its checksum is checked.
    pub fn parse(stored: &'a [u8]) -> Result<Self, StorageError> {
        Self::decode(stored).map_err(|error| corrupt("reading a record", &error))
    }

    fn decode(stored: &'a [u8]) -> Result<Self, CodecError> {
        let (header, payload, rest) = codec::open(stored)?;
        if header.id != Record::ID || header.version != Record::VERSION || !rest.is_empty() {
            return Err(CodecError::Unknown {
                id: header.id,
                version: header.version,
            });
        }
        codec::payload_ref(header.id, payload)
    }

    /// What the key counts for in its domain: key, value and tags.
    pub fn bytes(&self, key: &[u8]) -> u64 {
        let tags: usize = self.tags.iter().map(|tag| tag.len()).sum();
        (key.len() + self.value.len() + tags) as u64
    }

    /// A copy, with or without the value.
    pub fn to_record(&self, value: bool) -> Record {
        Record {
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            lease: self.lease,
            expires_at: self.expires_at,
            tags: self.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            value: if value { self.value.to_vec() } else { Vec::new() },
        }
    }
}
