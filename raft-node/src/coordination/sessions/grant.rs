//! Grants a lease.

use super::operation::LeaseReply;
use crate::leases::{self, LeaseRow};
use crate::mvcc::{Edit, Failure};
use crate::types::{Event, LeaseEvent, LeaseId, LeaseRefusal, Signal};

/// The least time to live, in milliseconds: a fail-over and a renewal must fit in it.
pub const TTL_MS_MIN: u64 = 500;
/// The longest time to live, in milliseconds: a day.
pub const TTL_MS_MAX: u64 = 24 * 3600 * 1000;
/// Leases that may live at a time.
pub const LEASES_MAX: u64 = 1_000_000;

/// Ids that are tried where clients have taken those that the store would choose.
const IDS_TRIED_MAX: u32 = 128;
/// Ids that the store chooses are made of the revision and the number of the operation.
const OPERATIONS_PER_REVISION: u64 = 4096;

/// Grants a lease; refuses an id that is in use.
pub fn grant(edit: &mut Edit<'_>, asked: Option<LeaseId>, ttl_ms: u64, name: String) -> Result<LeaseReply, Failure> {
    let lease = match asked {
        Some(lease) => lease,
        None => free_id(edit)?,
    };
    if leases::find(edit.stage, lease)?.is_some() {
        return Err(edit.refused(LeaseRefusal::Exists { lease }));
    }
    let count = leases::count(edit.stage)?;
    if count >= LEASES_MAX {
        return Err(edit.refused(LeaseRefusal::TooMany { leases_max: LEASES_MAX }));
    }
    edit.events.push(Event::Lease {
        lease,
        what: LeaseEvent::Granted {
            name: name.clone(),
            ttl_ms,
        },
    });
    let row = LeaseRow {
        ttl_ms,
        name,
        granted: edit.revision,
        attached: 0,
        key_bytes: 0,
    };
    leases::write(edit.stage, lease, &row)?;
    leases::set_count(edit.stage, count + 1)?;
    edit.signals.push(Signal::LeaseGranted { lease, ttl_ms });
    Ok(LeaseReply::Granted { lease, ttl_ms })
}

/// An id that this operation alone can make, unless a client chose the same one.
fn free_id(edit: &Edit<'_>) -> Result<LeaseId, Failure> {
    let first = edit.revision.0.saturating_mul(OPERATIONS_PER_REVISION) + u64::from(edit.operation);
    let mut lease = LeaseId(first);
    // A client that chooses ids can occupy some of these.
    for _ in 0..IDS_TRIED_MAX {
        if leases::find(edit.stage, lease)?.is_none() {
            return Ok(lease);
        }
        lease = LeaseId(lease.0.wrapping_add(1));
    }
    Err(edit.refused(LeaseRefusal::Exists { lease }))
}
