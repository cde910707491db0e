//! What happened, from the log of a member that has kept all of it.
//!
//! Every committed entry is applied again to an empty state in memory, and the events of each revision are taken from it.
//! The hash of that state must be the one that the members agreed on, so that this is what happened and no other story.
//! Nothing of it depends on what the members still remember: they may have compacted their history meanwhile, installed
//! snapshots and lost their logs.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::EntryPayload;
use quorate_node::consensus::Entry;
use quorate_node::log_store::{FileDisk, LogDevice, SegmentLog};
use quorate_node::mvcc::{AppliedRevision, ChangeKind, ChangedKey, ChangedRecords, Domains, RecordRef};
use quorate_node::state_machine::{self, AppliedEntry, LogPosition, State};
use quorate_node::storage::MemoryEngine;
use quorate_node::types::{self, DomainId, Revision};
use quorate_proto::v1;

use crate::HarnessError;
use crate::cluster::EqualState;
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth, shortened};

/// Read at once.
const READ_BYTES: u64 = 4 << 20;

/// Entries that are applied together.
const ENTRIES_PER_BATCH: usize = 64;

/// For a log that is opened to be read only.
const SEGMENT_BYTES: u64 = 1 << 20;

/// The events of every revision up to `state`, from the log in the data directory of a member that has ended. An error if
/// the log does not begin with the first entry, or does not lead to that state.
pub fn replay(data_directory: &Path, state: &EqualState) -> Result<Truth, HarnessError> {
    let mut log = Log::open(&data_directory.join("log"), state.applied_index)?;
    let mut replayed = State::open(Arc::new(MemoryEngine::new())).map_err(broken)?;
    replayed.set_watched(true);
    let mut truth = Truth::default();
    while let Some(entries) = log.next()? {
        for batch in entries.chunks(ENTRIES_PER_BATCH) {
            let batch: Vec<AppliedEntry> = batch.iter().map(applied).collect();
            replayed.apply(&batch).map_err(broken)?;
            for revision in replayed.take_revisions() {
                let events = events(&revision, replayed.domains())?;
                truth.push(revision.revision.0, events)?;
            }
        }
    }
    let reached = EqualState {
        applied_index: replayed.applied().map_or(0, |position| position.index),
        state_hash: replayed.hash(),
        revision: replayed.revision().0,
    };
    match reached == *state && truth.last() == reached.revision {
        true => Ok(truth),
        false => Err(HarnessError::Broken(format!(
            "the log leads to {reached:x?}, and the members agree on {state:x?}"
        ))),
    }
}

/// The entries of a log, some at a time: all of them need not fit into memory.
struct Log {
    log: SegmentLog,
    next: u64,
    last: u64,
}

impl Log {
    /// Every entry up to `last`; an error if the first is gone.
    fn open(directory: &Path, last: u64) -> Result<Log, HarnessError> {
        let disk = FileDisk::open(directory).map_err(HarnessError::io(format!("open {}", directory.display())))?;
        let mut log = SegmentLog::new(disk, SEGMENT_BYTES);
        let recovered = log.recover().map_err(broken)?;
        let next = recovered.first_index.unwrap_or(u64::MAX);
        if recovered.purged.is_some() || next > 1 {
            return Err(HarnessError::Broken(format!(
                "the log begins with entry {next}, and what was before is gone"
            )));
        }
        Ok(Log { log, next, last })
    }

    fn next(&mut self) -> Result<Option<Vec<Entry>>, HarnessError> {
        if self.next > self.last {
            return Ok(None);
        }
        let read = self
            .log
            .reader()
            .read(self.next..self.last + 1, READ_BYTES)
            .map_err(broken)?;
        let Some(newest) = read.last() else {
            return Err(HarnessError::Broken(format!(
                "the log ends before entry {} of {}",
                self.next, self.last
            )));
        };
        self.next = newest.log_id.index + 1;
        Ok(Some(read))
    }
}

fn applied(entry: &Entry) -> AppliedEntry {
    AppliedEntry {
        position: LogPosition {
            term: **entry.log_id.committed_leader_id(),
            index: entry.log_id.index,
        },
        payload: match &entry.payload {
            EntryPayload::Normal(group) => state_machine::EntryPayload::Group(group.clone()),
            // No revision depends on who the members were.
            EntryPayload::Blank | EntryPayload::Membership(_) => state_machine::EntryPayload::Blank,
        },
    }
}

fn events(applied: &AppliedRevision, domains: &Domains) -> Result<Vec<Event>, HarnessError> {
    let AppliedRevision {
        revision,
        changes,
        records,
    } = applied;
    if records.len() != changes.keys.len() {
        return Err(HarnessError::Broken(format!(
            "revision {revision} touched {} keys and has records of {}",
            changes.keys.len(),
            records.len()
        )));
    }
    let keys = changes.keys.iter().zip(records);
    let mut events: Vec<Event> = keys
        .map(|(changed, records)| key_event(*revision, changed, records, domains).map(Event::Key))
        .collect::<Result<_, _>>()?;
    events.extend(changes.events.iter().map(other_event));
    Ok(events)
}

fn key_event(
    revision: Revision,
    changed: &ChangedKey,
    records: &ChangedRecords,
    domains: &Domains,
) -> Result<KeyEvent, HarnessError> {
    let kind = match changed.kind {
        ChangeKind::Put => KeyKind::Put,
        ChangeKind::Delete => KeyKind::Delete,
        ChangeKind::Expire => KeyKind::Expire,
    };
    let written = records.record.as_deref().map(|stored| record(&changed.key, stored));
    let previous = records.previous.as_deref().map(|stored| record(&changed.key, stored));
    if written.is_some() != (kind == KeyKind::Put) {
        return Err(HarnessError::Broken(format!(
            "revision {revision} has another record of a key than it should: {changed:?}"
        )));
    }
    Ok(KeyEvent {
        domain: domain_name(domains, changed.domain)?,
        kind,
        record: match written {
            Some(record) => record?,
            None => v1::Record {
                key: Bytes::copy_from_slice(&changed.key),
                mod_revision: revision.0,
                ..v1::Record::default()
            },
        },
        previous: previous.transpose()?,
    })
}

fn record(key: &[u8], stored: &[u8]) -> Result<v1::Record, HarnessError> {
    let record = RecordRef::parse(stored).map_err(broken)?;
    Ok(shortened(v1::Record {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(record.value),
        create_revision: record.create_revision.0,
        mod_revision: record.mod_revision.0,
        version: record.version,
        lease: record.lease.map_or(0, |lease| lease.0),
        expires_at_ms: record.expires_at.map_or(0, |at| at.0),
        tags: record.tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }))
}

fn other_event(event: &types::Event) -> Event {
    let space = match event.space() {
        types::Space::Keys(domain) => Space::Keys(domain.0.to_string()),
        types::Space::Leases => Space::Leases,
        types::Space::Locks => Space::Locks,
        types::Space::Queues => Space::Queues,
        types::Space::Workers => Space::Workers,
        types::Space::Tasks => Space::Tasks,
    };
    Event::Other(OtherEvent {
        space,
        name: Bytes::from(event.name().into_owned()),
        what: Some(quorate_node::watch::coordination(event)),
    })
}

fn domain_name(domains: &Domains, id: DomainId) -> Result<String, HarnessError> {
    let mut all = domains.iter();
    let domain = all.find(|domain| domain.id == id);
    domain
        .map(|domain| domain.name.clone())
        .ok_or_else(|| HarnessError::Broken(format!("there is no domain {}", id.0)))
}

fn broken(error: impl std::fmt::Display) -> HarnessError {
    HarnessError::Broken(error.to_string())
}
