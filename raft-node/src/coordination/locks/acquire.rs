//! Takes locks, or waits for them.

use super::advance::advance;
use super::operation::{Acquire, LockReply};
use super::rows::acquisition::{self, AcquisitionRow};
use super::rows::{AcquisitionId, hold, lock, value};
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure};
use crate::storage::{StorageError, View, corrupt};
use crate::types::LockRefusal;

/// Takes the locks in their order, as far as they are free, and waits for the first that is not; without `wait`, takes
/// all or none. A request that was made before is answered what became of it.
pub fn acquire(edit: &mut Edit<'_>, asked: Acquire) -> Result<LockReply, Failure> {
    let id = AcquisitionId {
        lease: asked.lease,
        request: asked.request,
    };
    if let Some(row) = acquisition::find(edit.stage, id)? {
        return repeat(edit, id, &row, &asked);
    }
    if let Some(name) = first_busy(edit, &asked)?
        && !asked.wait
    {
        return busy(edit, &asked, name);
    }
    let attachment = Attachment::Acquisition { request: asked.request };
    if let Err(refusal) = leases::attach(edit.stage, asked.lease, &attachment)? {
        return Err(edit.refused(refusal));
    }
    let mut row = AcquisitionRow {
        grants: Vec::with_capacity(asked.names.len()),
        names: asked.names,
        share: asked.share,
        ticket: 0,
        has_value: !asked.value.is_empty(),
    };
    if row.has_value {
        value::write(edit.stage, id, asked.value)?;
    }
    if let Err(refusal) = advance(edit, id, &mut row)? {
        return Err(edit.refused(refusal));
    }
    acquisition::write(edit.stage, id, &row)?;
    Ok(answer(edit.stage, &row)?)
}

/// Answers a request that was made before; changes nothing.
fn repeat(edit: &Edit<'_>, id: AcquisitionId, row: &AcquisitionRow, asked: &Acquire) -> Result<LockReply, Failure> {
    if row.names != asked.names || row.share != asked.share {
        return Err(edit.refused(LockRefusal::RequestInUse {
            lease: id.lease,
            request: id.request,
        }));
    }
    Ok(answer(edit.stage, row)?)
}

/// What has become of an acquisition so far.
fn answer(view: &dyn View, row: &AcquisitionRow) -> Result<LockReply, StorageError> {
    Ok(match row.next_name() {
        None => LockReply::Granted { holds: row.granted() },
        Some(name) => LockReply::Queued {
            ahead_max: lock::require(view, name)?.ahead_max(row.ticket),
            lock: name.to_owned(),
        },
    })
}

/// The first lock that cannot be had at once. Refuses if one of them is of another kind, even one that the acquisition
/// would come to later.
fn first_busy<'a>(edit: &Edit<'_>, asked: &'a Acquire) -> Result<Option<&'a str>, Failure> {
    let mut busy = None;
    for name in &asked.names {
        let Some(found) = lock::find(edit.stage, name)? else {
            continue;
        };
        if found.kind != asked.share.kind() {
            return Err(edit.refused(LockRefusal::Conflict {
                lock: name.clone(),
                kind: found.kind,
                asked: asked.share.kind(),
            }));
        }
        if busy.is_none() && (found.waiting > 0 || !found.fits(asked.share)) {
            busy = Some(name.as_str());
        }
    }
    Ok(busy)
}

/// Says who holds the lock; changes nothing.
fn busy(edit: &Edit<'_>, asked: &Acquire, name: &str) -> Result<LockReply, Failure> {
    if let Err(refusal) = leases::require(edit.stage, asked.lease)? {
        return Err(edit.refused(refusal));
    }
    let Some((token, id)) = hold::first(edit.stage, name)? else {
        return Err(corrupt("taking a lock", &format!("{name:?} is not free, but nobody holds it")).into());
    };
    Ok(LockReply::Busy {
        lock: name.to_owned(),
        holder: id.lease,
        token,
    })
}
