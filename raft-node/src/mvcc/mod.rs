//! Revisions, records, history: a key-value store in which every past state can be read until it is compacted.
//!
//! Four tables, whose keys are in `keys`:
//!
//! * latest: key -> its newest record, so that a read is one look-up;
//! * history: (key, revision) -> the record which that revision replaced or deleted;
//! * changes: revision -> the keys it touched, which watchers replay and the cleaner follows;
//! * index: expiries and tags of the newest records.
//!
//! A put writes one row in each of the first three, or in two of them if the key is new.
//!
//! Invariants
//! * Revisions are dense: one per transaction that changed something, so changes has a row for each revision from the
//!   boundary of compaction to the newest.
//! * A key is written at most once a revision.
//! * The index has exactly the entries of the newest records; a domain's bytes are the sum of theirs.
//! * Nothing here reads a clock or a random number, or depends on the order of a hash table: replicas that apply the
//!   same commands hold the same bytes.
//!
//! Deliberately absent: expired keys are not hidden from reads. A key goes when the command that expires it is
//! applied, at one revision for everybody.

mod changes;
mod domains;
pub mod keys;
mod lookup;
mod operations;
mod pager;
mod past;
mod record;
mod selector;
mod stage;

#[cfg(test)]
mod script_tests;

pub use changes::{AppliedRevision, ChangeKind, ChangedKey, ChangedRecords, Changes};
pub use domains::{
    DOMAINS_MAX, DefaultLevel, Domain, DomainChange, DomainIndex, DomainSettings, DomainTable, Domains, EventualDomain,
    Evict, EvictPolicy, NewDomain, NextDomain, StrongDomain, TTL_MS_MAX, resolve_strong, stored as stored_domain,
};
pub use lookup::record_at;
pub use operations::{
    Cleaned, Delete, DeleteReply, Put, PutReply, Range, RangeReply, SortTarget, boundary, delete, delete_attached,
    expire, garbage, next_key_expiry, put, range, readable,
};
pub use record::{KeyRecord, Record, RecordRef, corrupt};
pub use selector::{Selector, Span};
pub use stage::{DELETED_BYTES_MAX, DELETES_MAX, Edit, Failure, REPLY_BYTES_MAX};
