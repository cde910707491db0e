//! The way of an acquisition through its names.

use super::WAITING_MAX;
use super::rows::acquisition::AcquisitionRow;
use super::rows::lock::{self, LockRow};
use super::rows::{AcquisitionId, hold, waiter};
use crate::mvcc::{Edit, Failure};
use crate::types::{Event, LockEvent, LockRefusal, Signal};

/// Takes the names that it does not have yet, in their order, until one of them is not free; in its queue it waits then.
/// The row is the caller's to write.
pub fn advance(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    row: &mut AcquisitionRow,
) -> Result<Result<(), LockRefusal>, Failure> {
    let kind = row.share.kind();
    while let Some(name) = row.next_name().map(str::to_owned) {
        let lock = lock::find(edit.stage, &name)?.unwrap_or_else(|| LockRow::new(kind));
        if lock.kind != kind {
            return Ok(Err(LockRefusal::Conflict {
                lock: name,
                kind: lock.kind,
                asked: kind,
            }));
        }
        // Whoever would fit still comes behind those who wait.
        if lock.waiting > 0 || !lock.fits(row.share) {
            return queue(edit, id, row, name, lock);
        }
        take(edit, id, row, name, lock, false)?;
    }
    Ok(Ok(()))
}

/// Gives the acquisition its next name, which is free for it; `waited`: it stood in its queue.
pub fn take(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    row: &mut AcquisitionRow,
    name: String,
    mut lock: LockRow,
    waited: bool,
) -> Result<(), Failure> {
    assert!(lock.fits(row.share), "{name:?} is not free: {lock:?}");
    lock.take(row.share, edit.revision);
    lock::write(edit.stage, &name, &lock)?;
    hold::put(edit.stage, &name, edit.revision, id);
    row.grants.push(edit.revision);
    row.ticket = 0;
    edit.events.push(Event::Lock {
        lock: name.clone(),
        what: LockEvent::Acquired {
            lease: id.lease,
            request: id.request,
            token: edit.revision,
            share: row.share,
            waited,
        },
    });
    edit.signals.push(Signal::Holders { lock: name });
    Ok(())
}

fn queue(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    row: &mut AcquisitionRow,
    name: String,
    mut lock: LockRow,
) -> Result<Result<(), LockRefusal>, Failure> {
    if lock.waiting >= WAITING_MAX {
        return Ok(Err(LockRefusal::TooManyWaiting {
            lock: name,
            waiting_max: WAITING_MAX,
        }));
    }
    row.ticket = lock.next_ticket;
    lock.next_ticket += 1;
    lock.waiting += 1;
    lock.contended += 1;
    lock::write(edit.stage, &name, &lock)?;
    waiter::put(edit.stage, &name, row.ticket, id);
    Ok(Ok(()))
}
