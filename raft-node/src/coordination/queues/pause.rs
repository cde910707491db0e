//! Pauses a queue and lets it go on.

use super::operation::QueueReply;
use super::queue::Queue;
use super::tell::tell;
use crate::mvcc::{Edit, Failure};
use crate::types::QueueEvent;

/// While a queue is paused nothing of it is claimed; everything else goes on, claims that were made before included.
pub fn set_paused(edit: &mut Edit<'_>, name: &str, paused: bool) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let changed = queue.row.paused != paused;
    if changed {
        queue.row.paused = paused;
        let what = if paused {
            QueueEvent::Paused
        } else {
            QueueEvent::Resumed
        };
        tell(edit, name, what);
    }
    queue.store(edit)?;
    Ok(QueueReply::Paused { changed })
}
