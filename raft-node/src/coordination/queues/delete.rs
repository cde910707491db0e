//! Deletes a queue.

use super::operation::QueueReply;
use super::queue::{self, Queue};
use super::tell::tell;
use crate::mvcc::{Edit, Failure};
use crate::types::{QueueEvent, QueueRefusal};

/// Deletes a queue that holds nothing. What is left of it are dedupe keys, which go when their windows are over; a queue
/// of the same name has another id and does not know them.
pub fn delete(edit: &mut Edit<'_>, name: &str) -> Result<QueueReply, Failure> {
    let found = Queue::require(edit, name)?;
    let items = found.row.depth();
    if items > 0 {
        return Err(edit.refused(QueueRefusal::NotEmpty {
            queue: found.name,
            items,
        }));
    }
    queue::remove(edit, &found)?;
    tell(edit, name, QueueEvent::Deleted);
    Ok(QueueReply::Deleted)
}
