//! What the writing operations need of the state machine.

use std::collections::BTreeSet;

use super::changes::{ChangedKey, ChangedRecords};
use super::domains::Domains;
use crate::storage::{Stage, StorageError};
use crate::types::{Event, LogTimeMs, Refusal, Rejection, Revision, Signal};

/// Why an operation was not done.
#[derive(Debug)]
pub enum Failure {
    /// An answer to the client.
    Rejected(Rejection),
    /// The node stops.
    Storage(StorageError),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Failure::Rejected(rejection)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Failure::Storage(error)
    }
}

/// Keys that one transaction may delete; what coordination takes away in bulk counts as well.
pub const DELETES_MAX: u64 = 10_000;

/// Bytes of keys and values that one transaction may delete: they are all held in memory until they are history.
pub const DELETED_BYTES_MAX: u64 = 64 << 20;

/// Bytes of keys, values and tags that one transaction may return.
pub const REPLY_BYTES_MAX: u64 = 4 << 20;

/// A transaction while it is done: every write of it has the same revision.
pub struct Edit<'a> {
    /// Where it writes.
    pub stage: &'a mut dyn Stage,
    /// The domains.
    pub domains: &'a mut Domains,
    /// The revision it makes if it changes something.
    pub revision: Revision,
    /// Log time of its group.
    pub log_time: LogTimeMs,
    /// The proposer's wall clock, for display only.
    pub wall_ms: u64,
    /// Number of the running operation in its branch.
    pub operation: u32,
    /// Keys it touched.
    pub changed: Vec<ChangedKey>,
    /// Somebody watches at this member: keep the records of the keys it touched.
    pub watched: bool,
    /// As stored, one for each of `changed` if somebody watches; otherwise none.
    pub records: Vec<ChangedRecords>,
    /// What happened to what coordination keeps.
    pub events: Vec<Event>,
    /// What those who wait are to be told once it is applied.
    pub signals: Vec<Signal>,
    /// Stored keys it deleted, which it may not write again.
    pub deleted: BTreeSet<Vec<u8>>,
    /// Keys it deleted.
    pub deletes: u64,
    /// Bytes of keys and values it deleted.
    pub deleted_bytes: u64,
    /// Bytes it returns.
    pub reply_bytes: u64,
}

impl<'a> Edit<'a> {
    /// Nothing done yet.
    pub fn new(
        stage: &'a mut dyn Stage,
        domains: &'a mut Domains,
        revision: Revision,
        log_time: LogTimeMs,
        wall_ms: u64,
    ) -> Edit<'a> {
        Edit {
            stage,
            domains,
            revision,
            log_time,
            wall_ms,
            operation: 0,
            changed: Vec::new(),
            watched: false,
            records: Vec::new(),
            events: Vec::new(),
            signals: Vec::new(),
            deleted: BTreeSet::new(),
            deletes: 0,
            deleted_bytes: 0,
            reply_bytes: 0,
        }
    }

    /// Notes that a key was touched; its records if somebody watches.
    pub fn touched(&mut self, changed: ChangedKey, records: Option<ChangedRecords>) {
        self.changed.push(changed);
        self.records.extend(records);
    }

    /// Counts what an operation is about to return. Called before it writes anything.
    pub fn charge_reply(&mut self, bytes: u64) -> Result<(), Rejection> {
        self.reply_bytes = self.reply_bytes.saturating_add(bytes);
        self.within("bytes", self.reply_bytes, REPLY_BYTES_MAX)
    }

    /// Counts what an operation is about to delete. Called before it writes anything.
    pub fn charge_deletes(&mut self, keys: u64, bytes: u64) -> Result<(), Rejection> {
        self.deletes = self.deletes.saturating_add(keys);
        self.deleted_bytes = self.deleted_bytes.saturating_add(bytes);
        self.within("keys", self.deletes, DELETES_MAX)?;
        self.within("bytes", self.deleted_bytes, DELETED_BYTES_MAX)
    }

    /// The refusal of the running operation.
    pub fn refused(&self, refusal: impl Refusal) -> Failure {
        refusal.of_operation(self.operation).into()
    }

    /// The refusal to write `key` a second time.
    pub fn duplicate(&self, key: &[u8]) -> Rejection {
        Rejection::DuplicateKey {
            operation: self.operation,
            key: key.to_vec(),
        }
    }

    fn within(&self, what: &str, value: u64, limit: u64) -> Result<(), Rejection> {
        if value <= limit {
            return Ok(());
        }
        Err(Rejection::TransactionTooLarge {
            operation: self.operation,
            what: what.to_owned(),
            value,
            limit,
        })
    }
}
