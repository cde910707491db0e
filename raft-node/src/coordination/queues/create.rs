//! Makes a queue, or changes what it promises.

use super::config::{QUEUES_MAX, QueueConfig};
use super::operation::QueueReply;
use super::queue::{self, Queue, QueueRow};
use super::tell::tell;
use crate::mvcc::{Edit, Failure};
use crate::types::{QueueEvent, QueueRefusal};

/// Makes the queue, or gives it this configuration if it is there. Its items stay as they are.
pub fn create(edit: &mut Edit<'_>, name: String, config: QueueConfig) -> Result<QueueReply, Failure> {
    if let Some(mut found) = Queue::find(edit.stage, &name)? {
        if found.row.config != config {
            found.row.config = config;
            tell(edit, &name, QueueEvent::Configured);
        }
        found.store(edit)?;
        return Ok(QueueReply::Created { new: false });
    }
    if queue::count(edit.stage)? >= QUEUES_MAX {
        return Err(edit.refused(QueueRefusal::TooManyQueues { queues_max: QUEUES_MAX }));
    }
    let id = queue::id(edit.revision, edit.operation);
    tell(edit, &name, QueueEvent::Created);
    queue::insert(edit, name, &QueueRow::new(id, config, edit.revision))?;
    Ok(QueueReply::Created { new: true })
}
