//! Gives an item back.

use super::operation::QueueReply;
use super::put_back::{Back, put_back};
use super::queue::Queue;
use super::receipt::{self, Receipt};
use crate::mvcc::{Edit, Failure};

/// Gives the item back: it is ready again, at once or after a delay; or it goes to the dead letters, because it is said to
/// or because it was claimed as often as it may be.
pub fn nack(edit: &mut Edit<'_>, name: &str, receipt: Receipt, back: Back) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let claim = receipt::check(edit, &queue, receipt)?;
    let state = put_back(edit, &mut queue, receipt.item, claim, back)?;
    queue.store(edit)?;
    Ok(QueueReply::Nacked { state })
}
