//! Serves the queues of locks that have become freer.

use std::collections::BTreeSet;

use super::advance::{advance, take};
use super::end::end;
use super::rows::{acquisition, lock, waiter};
use crate::canary::{self, Canary};
use crate::leases;
use crate::mvcc::{Edit, Failure};
use crate::storage::corrupt;
use crate::types::{HoldEnd, Signal};

/// Grants these locks to those who wait, each from its head for as long as the head fits. Always the lock with the least
/// name goes first, so that every replica serves in the same order.
pub fn serve(edit: &mut Edit<'_>, mut freed: BTreeSet<String>) -> Result<(), Failure> {
    while let Some(name) = freed.first().cloned() {
        if !serve_head(edit, &name, &mut freed)? {
            freed.remove(&name);
        }
    }
    Ok(())
}

/// Serves one waiter; false if there is none, or it has to go on waiting.
fn serve_head(edit: &mut Edit<'_>, name: &str, freed: &mut BTreeSet<String>) -> Result<bool, Failure> {
    let Some(mut lock) = lock::find(edit.stage, name)? else {
        return Ok(false);
    };
    if lock.waiting == 0 {
        return Ok(false);
    }
    let Some((ticket, id)) = waiter::first(edit.stage, name)? else {
        return Err(corrupt(
            "serving a lock",
            &format!("nobody waits for {name:?}, but its row says so"),
        )
        .into());
    };
    let mut row = acquisition::require(edit.stage, id)?;
    if !lock.fits(row.share) {
        return Ok(false);
    }
    if leases::find(edit.stage, id.lease)?.is_none() && !canary::is(Canary::GrantToExpiredWaiter) {
        // The lease is ending right now, and this acquisition of it would have been ended next.
        end(edit, id, &row, &HoldEnd::LeaseEnded, freed)?;
        return Ok(true);
    }
    waiter::remove(edit.stage, name, ticket, id);
    lock.waiting -= 1;
    lock.first_ticket = ticket + 1;
    take(edit, id, &mut row, name.to_owned(), lock, true)?;
    match advance(edit, id, &mut row)? {
        Ok(()) => {
            acquisition::write(edit.stage, id, &row)?;
            if row.next_name().is_none() {
                edit.signals.push(Signal::Acquisition {
                    lease: id.lease,
                    request: id.request,
                });
            }
        }
        // A later name has become another kind of lock, or too many wait for it. Whoever releases cannot be refused for
        // that; the acquisition ends, and is refused when its client asks again.
        Err(_) => {
            end(edit, id, &row, &HoldEnd::Refused, freed)?;
        }
    }
    Ok(true)
}
