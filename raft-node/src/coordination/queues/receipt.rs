//! Receipts: the right to say what becomes of a claimed item.

use bincode::{Decode, Encode};

use super::item::{ClaimRow, claimed_key, item_key};
use super::queue::Queue;
use super::timers::{Timer, TimerKind};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::Table;
use crate::types::{QueueRefusal, Revision};

/// What a claim hands out: a fencing token for one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// The item.
    pub item: u64,
    /// Revision of the claim.
    pub token: Revision,
}

/// The claim of a receipt, or why it is over. A claim is over at its deadline, whether or not its timer has run.
pub fn check(edit: &Edit<'_>, queue: &Queue, receipt: Receipt) -> Result<ClaimRow, Failure> {
    let Receipt { item, token } = receipt;
    let name = || queue.name.clone();
    let claim: Option<ClaimRow> = rows::read(edit.stage, Table::Coordination, &claimed_key(queue.id(), item))?;
    let refusal = match claim {
        Some(claim) if claim.token == token && claim.deadline > edit.log_time => return Ok(claim),
        Some(claim) if claim.token == token => QueueRefusal::ClaimTimedOut {
            queue: name(),
            item,
            token,
            late_ms: edit.log_time.0 - claim.deadline.0,
        },
        Some(claim) => QueueRefusal::ClaimedByAnother {
            queue: name(),
            item,
            token,
            current: claim.token,
        },
        None if edit.stage.get(Table::Items, &item_key(queue.id(), item))?.is_some() => QueueRefusal::ClaimOver {
            queue: name(),
            item,
            token,
        },
        None => QueueRefusal::UnknownItem { queue: name(), item },
    };
    Err(edit.refused(refusal))
}

/// The timer of a claim.
pub fn timer(queue: &Queue, item: u64, claim: &ClaimRow) -> Timer {
    Timer {
        due: claim.deadline,
        kind: TimerKind::Visibility,
        queue: queue.id(),
        item,
    }
}
