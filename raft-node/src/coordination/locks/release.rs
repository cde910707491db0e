//! Ends a hold, for its holder.

use std::collections::BTreeSet;

use super::end::{end, forget, give_back};
use super::fence::require;
use super::operation::{Hold, LockReply};
use super::rows::{AcquisitionId, acquisition};
use super::serve::serve;
use crate::mvcc::{Edit, Failure};
use crate::types::{HoldEnd, Revision};

/// Ends the hold and serves the queue; refuses a hold that is over.
pub fn release(edit: &mut Edit<'_>, hold: &Hold) -> Result<LockReply, Failure> {
    let id = require(edit, hold)?;
    let mut freed = BTreeSet::new();
    take_away(edit, id, &hold.lock, hold.token, &HoldEnd::Released, &mut freed)?;
    serve(edit, freed)?;
    Ok(LockReply::Released)
}

/// Ends one hold of an acquisition, and with it the whole acquisition if that still waits for another lock: it could
/// not come to hold all of them at once.
pub fn take_away(
    edit: &mut Edit<'_>,
    id: AcquisitionId,
    name: &str,
    token: Revision,
    why: &HoldEnd,
    freed: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    let mut row = acquisition::require(edit.stage, id)?;
    if row.next_name().is_some() {
        end(edit, id, &row, why, freed)?;
        return Ok(());
    }
    give_back(edit, id, name, token, row.share, why)?;
    freed.insert(name.to_owned());
    if row.forget(name) {
        acquisition::write(edit.stage, id, &row)?;
        return Ok(());
    }
    forget(edit, id, &row)
}
