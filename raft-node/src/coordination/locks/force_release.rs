//! Ends the holds of others.

use std::collections::BTreeSet;

use super::FORCED_MAX;
use super::operation::LockReply;
use super::release::take_away;
use super::rows::lock::{self, Forced};
use super::rows::{AcquisitionId, hold};
use super::serve::serve;
use crate::mvcc::{Edit, Failure};
use crate::types::{HoldEnd, Revision, Signal};

/// Ends the holds with this token, or all of them, at most [`FORCED_MAX`]; writes down why while the lock exists. What is
/// not held changes nothing.
pub fn force_release(
    edit: &mut Edit<'_>,
    name: &str,
    token: Option<Revision>,
    reason: String,
) -> Result<LockReply, Failure> {
    let mut found = hold::all(edit.stage, name, token, FORCED_MAX + 1)?;
    let more = found.len() > FORCED_MAX;
    found.truncate(FORCED_MAX);
    edit.charge_deletes(found.len() as u64, 0)?;
    let mut freed = BTreeSet::new();
    let why = HoldEnd::Forced { reason: reason.clone() };
    for (token, id) in &found {
        take_away(edit, *id, name, *token, &why, &mut freed)?;
        tell(edit, *id);
    }
    if let Some((newest, _)) = found.last() {
        write_down(edit, name, *newest, reason)?;
    }
    serve(edit, freed)?;
    Ok(LockReply::ForceReleased {
        holds: u32::try_from(found.len()).unwrap_or(u32::MAX),
        more,
    })
}

/// The holder did not do it, and may want to know.
fn tell(edit: &mut Edit<'_>, id: AcquisitionId) {
    edit.signals.push(Signal::Acquisition {
        lease: id.lease,
        request: id.request,
    });
}

fn write_down(edit: &mut Edit<'_>, name: &str, token: Revision, reason: String) -> Result<(), Failure> {
    if let Some(mut lock) = lock::find(edit.stage, name)? {
        lock.forced = Some(Forced {
            reason,
            token,
            wall_ms: edit.wall_ms,
        });
        lock::write(edit.stage, name, &lock)?;
    }
    Ok(())
}
