//! Ends a lease, and everything that shares its life, at one revision.

use crate::coordination::{locks, queues, workers};
use crate::leases::{self, Attachment};
use crate::mvcc::{self, ChangeKind, Edit, Failure};
use crate::types::{Event, LeaseEvent, LeaseId, Signal};

/// Why a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody asked for it.
    Revoked,
    /// It was not renewed.
    Expired,
}

/// Ends the lease: its keys are deleted, its locks released and given to those who wait, its receipts handed back to
/// their queues, its worker marked offline. Returns how many things went with it. Refuses a lease that does not live.
pub fn end(edit: &mut Edit<'_>, lease: LeaseId, ending: Ending) -> Result<u64, Failure> {
    let row = match leases::require(edit.stage, lease)? {
        Ok(row) => row,
        Err(refusal) => return Err(edit.refused(refusal)),
    };
    // Several leases may be revoked in one transaction; what goes with all of them is what one may delete.
    if ending == Ending::Revoked {
        edit.charge_deletes(row.attached, row.key_bytes)?;
    }
    let keys = leases::attached_keys(edit.stage, lease)?;
    let attached = leases::attached(edit.stage, lease)?;
    // First the lease itself: while its locks are given to others, nothing can be granted to it any more.
    leases::remove(edit.stage, lease);
    let count = leases::count(edit.stage)?;
    leases::set_count(edit.stage, count.saturating_sub(1))?;
    for attachment in attached {
        leases::remove_attachment(edit.stage, lease, &attachment);
        match attachment {
            Attachment::Acquisition { request } => locks::lease_ended(edit, lease, request)?,
            Attachment::Receipt { queue, item } => queues::lease_ended(edit, lease, queue, item)?,
            Attachment::Worker { worker } => workers::lease_ended(edit, lease, &worker)?,
        }
    }
    let kind = match ending {
        Ending::Revoked => ChangeKind::Delete,
        Ending::Expired => ChangeKind::Expire,
    };
    for (domain, key) in keys {
        mvcc::delete_attached(edit, domain, &key, kind)?;
    }
    let expired = ending == Ending::Expired;
    edit.events.push(Event::Lease {
        lease,
        what: LeaseEvent::Ended { expired },
    });
    edit.signals.push(Signal::LeaseEnded { lease });
    Ok(row.attached)
}
