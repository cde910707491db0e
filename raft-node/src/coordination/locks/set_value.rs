//! Proclaims another value.

use super::fence::require;
use super::operation::{Hold, LockReply};
use super::rows::{acquisition, lock, value};
use crate::mvcc::{Edit, Failure};
use crate::types::{Event, LockEvent, Signal};

/// Sets what the holder proclaims, for every lock of its acquisition; refuses a hold that is over.
pub fn set_value(edit: &mut Edit<'_>, hold: &Hold, proclaimed: Vec<u8>) -> Result<LockReply, Failure> {
    let id = require(edit, hold)?;
    if value::get(edit.stage, id)? == proclaimed {
        return Ok(LockReply::ValueSet);
    }
    let mut row = acquisition::require(edit.stage, id)?;
    row.has_value = !proclaimed.is_empty();
    if row.has_value {
        value::write(edit.stage, id, proclaimed)?;
    } else {
        value::remove(edit.stage, id);
    }
    acquisition::write(edit.stage, id, &row)?;
    for (name, token) in row.holds() {
        let mut lock = lock::require(edit.stage, name)?;
        lock.changed = edit.revision;
        lock::write(edit.stage, name, &lock)?;
        edit.events.push(Event::Lock {
            lock: name.to_owned(),
            what: LockEvent::ValueSet {
                lease: id.lease,
                request: id.request,
                token,
            },
        });
        edit.signals.push(Signal::Holders { lock: name.to_owned() });
    }
    Ok(LockReply::ValueSet)
}
