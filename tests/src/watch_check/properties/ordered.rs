//! Revisions ascend.

use crate::watch_check::assemble::Assembled;
use crate::watch_check::violation::Wrong;

pub(in crate::watch_check) fn ordered(assembled: &Assembled<'_>) -> Result<(), Wrong> {
    let mut after = 0;
    for (revision, _) in assembled.revisions() {
        if revision <= after {
            return Err(Wrong::Ordered { revision, after });
        }
        after = revision;
    }
    Ok(())
}
