//! Ends an acquisition, for its client.

use std::collections::BTreeSet;

use super::end::end;
use super::operation::LockReply;
use super::rows::{AcquisitionId, acquisition};
use super::serve::serve;
use crate::mvcc::{Edit, Failure};
use crate::types::{HoldEnd, LeaseId};

/// Leaves the queue that the acquisition waits in and releases what it holds. One that is not there changes nothing: a
/// client that gives up need not know how far it came.
pub fn abandon(edit: &mut Edit<'_>, lease: LeaseId, request: u64) -> Result<LockReply, Failure> {
    let id = AcquisitionId { lease, request };
    let Some(row) = acquisition::find(edit.stage, id)? else {
        return Ok(LockReply::Abandoned {
            holds: 0,
            waited: false,
        });
    };
    let mut freed = BTreeSet::new();
    let holds = end(edit, id, &row, &HoldEnd::Released, &mut freed)?;
    serve(edit, freed)?;
    Ok(LockReply::Abandoned {
        holds,
        waited: row.next_name().is_some(),
    })
}
