//! Lets a transaction pass while a hold lives.

use super::operation::{Hold, LockReply};
use super::rows::{AcquisitionId, hold};
use crate::canary::{self, Canary};
use crate::mvcc::{Edit, Failure};
use crate::types::LockRefusal;

/// Refuses the transaction unless exactly this hold lives; changes nothing.
pub fn fence(edit: &mut Edit<'_>, hold: &Hold) -> Result<LockReply, Failure> {
    if !canary::is(Canary::StaleFenceAccepted) {
        require(edit, hold)?;
    }
    Ok(LockReply::Held)
}

/// The acquisition that the hold belongs to, or the refusal of one that is over.
pub fn require(edit: &Edit<'_>, hold: &Hold) -> Result<AcquisitionId, Failure> {
    hold::find(edit.stage, hold)?.ok_or_else(|| {
        edit.refused(LockRefusal::NotHeld {
            lock: hold.lock.clone(),
            lease: hold.lease,
            token: hold.token,
        })
    })
}
