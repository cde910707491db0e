//! Acknowledges an item: it is done.

use super::operation::QueueReply;
use super::queue::Queue;
use super::receipt::{self, Receipt};
use super::tell::tell_item;
use super::{item, put_back};
use crate::canary::{self, Canary};
use crate::mvcc::{Edit, Failure};
use crate::types::ItemEvent;

/// Removes the item. Its dedupe key is remembered until the window is over.
pub fn ack(edit: &mut Edit<'_>, name: &str, receipt: Receipt) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let claim = match receipt::check(edit, &queue, receipt) {
        Err(_) if canary::is(Canary::AcknowledgedTwice) => return Ok(QueueReply::Acked),
        checked => checked?,
    };
    put_back::end_claim(edit, &mut queue, receipt.item, &claim)?;
    item::remove(edit.stage, queue.id(), receipt.item, claim.standing.checkpoint);
    tell_item(edit, name, receipt.item, ItemEvent::Acked);
    queue.store(edit)?;
    Ok(QueueReply::Acked)
}
