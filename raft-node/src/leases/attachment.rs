//! What shares a lease's life.

use std::ops::ControlFlow;

use super::row::{self, ATTACHED_MAX, KEY_BYTES_MAX, LeaseRow};
use crate::rows::{self, GROUP, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{DomainId, LeaseId, LeaseRefusal};

const ATTACHMENT: u8 = 2;
/// In the index table, beside expiries and tags.
const ATTACHED_KEY: u8 = 3;

const ACQUISITION: u8 = 1;
const RECEIPT: u8 = 2;
const WORKER: u8 = 3;

/// Something other than a key that goes when its lease ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attachment {
    /// Locks that are held or waited for, by the request that asked for them.
    Acquisition {
        /// Chosen by the client, unique within the lease.
        request: u64,
    },
    /// A claimed item of a queue.
    Receipt {
        /// The queue's id.
        queue: u64,
        /// The item's id in its queue.
        item: u64,
    },
    /// The registration of a worker.
    Worker {
        /// Its name.
        worker: String,
    },
}

/// Attaches something that is not attached yet. Refuses before it writes.
pub fn attach(
    stage: &mut dyn Stage,
    lease: LeaseId,
    attachment: &Attachment,
) -> Result<Result<(), LeaseRefusal>, StorageError> {
    let mut found = match row::require(stage, lease)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = count(lease, &mut found) {
        return Ok(Err(refusal));
    }
    row::write(stage, lease, &found)?;
    stage.put(Table::Coordination, attachment.key(lease), Vec::new());
    Ok(Ok(()))
}

/// Removes the mark of an attachment whose lease has ended.
pub fn remove_attachment(stage: &mut dyn Stage, lease: LeaseId, attachment: &Attachment) {
    stage.delete(Table::Coordination, attachment.key(lease));
}

/// Detaches something that is attached. A lease that has ended has nothing attached.
pub fn detach(stage: &mut dyn Stage, lease: LeaseId, attachment: &Attachment) -> Result<(), StorageError> {
    if let Some(mut found) = row::find(stage, lease)? {
        found.attached = found.attached.saturating_sub(1);
        row::write(stage, lease, &found)?;
        stage.delete(Table::Coordination, attachment.key(lease));
    }
    Ok(())
}

/// Attaches a key that is not attached yet, and whose record has so many bytes. Refuses before it writes.
pub fn attach_key(
    stage: &mut dyn Stage,
    lease: LeaseId,
    domain: DomainId,
    key: &[u8],
    bytes: u64,
) -> Result<Result<(), LeaseRefusal>, StorageError> {
    let mut found = match row::require(stage, lease)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = count(lease, &mut found).and_then(|()| resize(lease, &mut found, 0, bytes)) {
        return Ok(Err(refusal));
    }
    row::write(stage, lease, &found)?;
    stage.put(Table::Index, attached_key(lease, domain, key), Vec::new());
    Ok(Ok(()))
}

/// The record of an attached key goes from `before` to `after` bytes. Refuses before it writes.
pub fn resize_key(
    stage: &mut dyn Stage,
    lease: LeaseId,
    before: u64,
    after: u64,
) -> Result<Result<(), LeaseRefusal>, StorageError> {
    if before == after {
        return Ok(Ok(()));
    }
    let mut found = match row::require(stage, lease)? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = resize(lease, &mut found, before, after) {
        return Ok(Err(refusal));
    }
    row::write(stage, lease, &found)?;
    Ok(Ok(()))
}

/// Detaches a key that is attached, and whose record has so many bytes.
pub fn detach_key(
    stage: &mut dyn Stage,
    lease: LeaseId,
    domain: DomainId,
    key: &[u8],
    bytes: u64,
) -> Result<(), StorageError> {
    if let Some(mut found) = row::find(stage, lease)? {
        found.attached = found.attached.saturating_sub(1);
        found.key_bytes = found.key_bytes.saturating_sub(bytes);
        row::write(stage, lease, &found)?;
    }
    stage.delete(Table::Index, attached_key(lease, domain, key));
    Ok(())
}

/// Everything but keys that is attached to a lease, in order.
pub fn attached(view: &dyn View, lease: LeaseId) -> Result<Vec<Attachment>, StorageError> {
    let mut found = Vec::new();
    let mut damaged = false;
    let prefix = Key::of(ATTACHMENT).number(lease.0).done();
    rows::scan(view, Table::Coordination, &prefix, &mut |key, _| {
        match Attachment::decode(key) {
            Some(attachment) => found.push(attachment),
            None => damaged = true,
        }
        ControlFlow::Continue(())
    })?;
    if damaged {
        return Err(corrupt("reading what is attached to a lease", &"a key does not decode"));
    }
    Ok(found)
}

/// The keys that are attached to a lease, in order.
pub fn attached_keys(view: &dyn View, lease: LeaseId) -> Result<Vec<(DomainId, Vec<u8>)>, StorageError> {
    let mut found = Vec::new();
    let mut damaged = false;
    let prefix = attached_keys_prefix(lease);
    rows::scan(view, Table::Index, &prefix, &mut |key, _| {
        match key[prefix.len()..].split_first_chunk::<4>() {
            Some((domain, key)) => found.push((DomainId(u32::from_be_bytes(*domain)), key.to_vec())),
            None => damaged = true,
        }
        ControlFlow::Continue(())
    })?;
    if damaged {
        return Err(corrupt("reading the keys of a lease", &"a key does not decode"));
    }
    Ok(found)
}

/// Counts one more attachment, unless the lease is full.
fn count(lease: LeaseId, row: &mut LeaseRow) -> Result<(), LeaseRefusal> {
    row.attached += 1;
    if row.attached > ATTACHED_MAX {
        return Err(LeaseRefusal::Full {
            lease,
            attached_max: ATTACHED_MAX,
        });
    }
    Ok(())
}

/// Counts the bytes of a key's record. Growth past the limit is refused; shrinking never is.
fn resize(lease: LeaseId, row: &mut LeaseRow, before: u64, after: u64) -> Result<(), LeaseRefusal> {
    row.key_bytes = row.key_bytes.saturating_sub(before).saturating_add(after);
    if after > before && row.key_bytes > KEY_BYTES_MAX {
        return Err(LeaseRefusal::TooLarge {
            lease,
            bytes: row.key_bytes,
            bytes_max: KEY_BYTES_MAX,
        });
    }
    Ok(())
}

fn attached_keys_prefix(lease: LeaseId) -> Vec<u8> {
    let mut key = GROUP.to_be_bytes().to_vec();
    key.push(ATTACHED_KEY);
    key.extend_from_slice(&lease.0.to_be_bytes());
    key
}

/// Key of the index entry of a key that is attached to a lease.
pub(crate) fn attached_key(lease: LeaseId, domain: DomainId, user_key: &[u8]) -> Vec<u8> {
    let mut key = attached_keys_prefix(lease);
    key.extend_from_slice(&domain.0.to_be_bytes());
    key.extend_from_slice(user_key);
    key
}

impl Attachment {
    fn key(&self, lease: LeaseId) -> Vec<u8> {
        let key = Key::of(ATTACHMENT).number(lease.0);
        match self {
            Attachment::Acquisition { request } => key.byte(ACQUISITION).number(*request),
            Attachment::Receipt { queue, item } => key.byte(RECEIPT).number(*queue).number(*item),
            Attachment::Worker { worker } => key.byte(WORKER).text(worker),
        }
        .done()
    }

    fn decode(stored: &[u8]) -> Option<Attachment> {
        let mut parts = Parts::of(ATTACHMENT, stored)?;
        parts.number()?;
        let attachment = match parts.byte()? {
            ACQUISITION => Attachment::Acquisition {
                request: parts.number()?,
            },
            RECEIPT => Attachment::Receipt {
                queue: parts.number()?,
                item: parts.number()?,
            },
            WORKER => Attachment::Worker { worker: parts.text()? },
            _ => return None,
        };
        parts.end().map(|()| attachment)
    }
}
