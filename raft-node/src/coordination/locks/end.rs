//! Ends acquisitions and holds.

use std::collections::BTreeSet;

use super::rows::acquisition::{self, AcquisitionRow};
use super::rows::{AcquisitionId, hold, lock, value, waiter};
use super::serve::serve;
use crate::canary::{self, Canary};
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure};
use crate::types::{Event, HoldEnd, LeaseId, LockEvent, Revision, Share, Signal};

/// A lease has ended that this request of it held locks with, or waited for them.
pub fn lease_ended(edit: &mut Edit<'_>, lease: LeaseId, request: u64) -> Result<(), Failure> {
    let id = AcquisitionId { lease, request };
    // Gone already if it was met at the head of a queue that another acquisition of the lease had held up.
    let Some(row) = acquisition::find(edit.stage, id)? else {
        return Ok(());
    };
    if canary::is(Canary::GrantToExpiredWaiter) && row.ticket != 0 {
        return Ok(());
    }
    let mut freed = BTreeSet::new();
    end(edit, id, &row, &HoldEnd::LeaseEnded, &mut freed)?;
    serve(edit, freed)
}

/// Ends an acquisition: it leaves the queue that it waits in and releases what it holds. The locks that are freer for it
/// are added to `freed`; serving them is the caller's part. Returns how many holds ended.
pub fn end(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    row: &AcquisitionRow,
    why: &HoldEnd,
    freed: &mut BTreeSet<String>,
) -> Result<u32, Failure> {
    if let Some(name) = row.next_name() {
        if row.ticket != 0 {
            leave(edit, id, name, row.ticket)?;
            freed.insert(name.to_owned());
        }
        edit.signals.push(Signal::Acquisition {
            lease: id.lease,
            request: id.request,
        });
    }
    let mut holds = 0;
    for (name, token) in row.holds() {
        give_back(edit, id, name, token, row.share, why)?;
        freed.insert(name.to_owned());
        holds += 1;
    }
    forget(edit, id, row)?;
    Ok(holds)
}

/// Removes an acquisition that holds nothing and waits for nothing any more.
pub fn forget(edit: &mut Edit<'_>, id: AcquisitionId, row: &AcquisitionRow) -> Result<(), Failure> {
    acquisition::remove(edit.stage, id);
    if row.has_value {
        value::remove(edit.stage, id);
    }
    leases::detach(edit.stage, id.lease, &Attachment::Acquisition { request: id.request })?;
    Ok(())
}

/// Ends a hold.
pub fn give_back(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    name: &str,
    token: Revision,
    share: Share,
    why: &HoldEnd,
) -> Result<(), Failure> {
    hold::remove(edit.stage, name, token, id);
    let mut lock = lock::require(edit.stage, name)?;
    lock.give_back(share, edit.revision);
    if *why == HoldEnd::LeaseEnded {
        lock.expirations += 1;
    }
    lock::write(edit.stage, name, &lock)?;
    edit.events.push(Event::Lock {
        lock: name.to_owned(),
        what: LockEvent::Freed {
            lease: id.lease,
            request: id.request,
            token,
            why: why.clone(),
        },
    });
    edit.signals.push(Signal::Holders { lock: name.to_owned() });
    Ok(())
}

fn leave(edit: &mut Edit<'_>, id: AcquisitionId, name: &str, ticket: u64) -> Result<(), Failure> {
    waiter::remove(edit.stage, name, ticket, id);
    let mut lock = lock::require(edit.stage, name)?;
    lock.waiting = lock.waiting.saturating_sub(1);
    if lock.first_ticket == ticket {
        lock.first_ticket = ticket + 1;
    }
    lock::write(edit.stage, name, &lock)?;
    Ok(())
}
