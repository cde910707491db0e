//! Stores how far the work on an item is.

use super::item::{CheckpointRow, checkpoint_key, claimed_key};
use super::operation::QueueReply;
use super::queue::Queue;
use super::receipt::{self, Receipt};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::Table;

/// Stores how far the work is; whoever claims the item next is told. It takes the place of the checkpoint before.
pub fn checkpoint(edit: &mut Edit<'_>, name: &str, receipt: Receipt, data: Vec<u8>) -> Result<QueueReply, Failure> {
    let queue = Queue::require(edit, name)?;
    let mut claim = receipt::check(edit, &queue, receipt)?;
    if !claim.standing.checkpoint {
        claim.standing.checkpoint = true;
        let key = claimed_key(queue.id(), receipt.item);
        rows::write(edit.stage, Table::Coordination, key, &claim)?;
    }
    let key = checkpoint_key(queue.id(), receipt.item);
    rows::write(edit.stage, Table::Items, key, &CheckpointRow { data })?;
    Ok(QueueReply::Checkpointed)
}
