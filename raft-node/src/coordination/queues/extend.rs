//! Prolongs a claim.

use super::item::claimed_key;
use super::operation::QueueReply;
use super::queue::Queue;
use super::receipt::{self, Receipt};
use super::timers::{self, TimerRow};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::Table;

/// From now on the claim lasts `visibility_ms`, or as long as the queue says; that may be shorter than before.
pub fn extend(
    edit: &mut Edit<'_>,
    name: &str,
    receipt: Receipt,
    visibility_ms: Option<u64>,
) -> Result<QueueReply, Failure> {
    let queue = Queue::require(edit, name)?;
    let mut claim = receipt::check(edit, &queue, receipt)?;
    let visibility_ms = visibility_ms.unwrap_or(queue.row.config.visibility_ms);
    let deadline = edit.log_time.after(visibility_ms);
    if deadline != claim.deadline {
        timers::clear(edit.stage, receipt::timer(&queue, receipt.item, &claim));
        claim.deadline = deadline;
        timers::set(
            edit.stage,
            receipt::timer(&queue, receipt.item, &claim),
            &TimerRow::default(),
        )?;
        let key = claimed_key(queue.id(), receipt.item);
        rows::write(edit.stage, Table::Coordination, key, &claim)?;
    }
    Ok(QueueReply::Extended { visibility_ms })
}
