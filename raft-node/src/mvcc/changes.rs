//! What a revision touched: what watchers replay and what the cleaner follows.

use bincode::{Decode, Encode};

use crate::codec;
use crate::types::DomainId;

/// What happened to a key.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChangeKind {
    /// It was written.
    Put,
    /// It was deleted.
    Delete,
    /// Its time came.
    Expire,
}

/// One key that a revision touched.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangedKey {
    /// Where.
    pub domain: DomainId,
    /// How.
    pub kind: ChangeKind,
    /// Which.
    pub key: Vec<u8>,
}

/// All that a revision touched, in the order of the operations. No key stands twice.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// The proposer's wall clock, for display and restore to a moment only.
    pub wall_ms: u64,
    /// The keys.
    pub keys: Vec<ChangedKey>,
}

impl codec::Record for Changes {
    const ID: u16 = 0x0202;
    const VERSION: u8 = 1;
}
