//! Enqueues items.

use bincode::{Decode, Encode};

use super::item::{ItemRow, Standing, item_key};
use super::operation::QueueReply;
use super::queue::Queue;
use super::tell::tell_items;
use super::{dedupe, put_back};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::Table;
use crate::types::{ItemEvent, QueueRefusal};

/// An item to be enqueued.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct NewItem {
    /// Higher goes first.
    pub priority: u8,
    /// Whose turn it takes; may be empty.
    pub group: String,
    /// Within the queue's window, another item with this key is not added.
    pub dedupe_key: Option<String>,
    /// It is ready after this many milliseconds.
    pub delay_ms: u64,
    /// The work.
    pub payload: Vec<u8>,
}

/// What became of an item to be enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Enqueued {
    /// Its id; that of the first one, if it is a duplicate.
    pub item: u64,
    /// An item with the same dedupe key was enqueued before: nothing was added.
    pub duplicate: bool,
}

/// Enqueues items, in this order: all of them, or none.
pub fn enqueue(edit: &mut Edit<'_>, name: &str, items: Vec<NewItem>) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let mut enqueued = Vec::with_capacity(items.len());
    let (mut ready, mut delayed) = (Vec::new(), Vec::new());
    for new in items {
        let told = if new.delay_ms == 0 { &mut ready } else { &mut delayed };
        let one = one(edit, &mut queue, new)?;
        if !one.duplicate {
            told.push(one.item);
        }
        enqueued.push(one);
    }
    tell_items(edit, name, ready, ItemEvent::Enqueued { delayed: false });
    tell_items(edit, name, delayed, ItemEvent::Enqueued { delayed: true });
    queue.store(edit)?;
    Ok(QueueReply::Enqueued { items: enqueued })
}

fn one(edit: &mut Edit<'_>, queue: &mut Queue, new: NewItem) -> Result<Enqueued, Failure> {
    let delay_ms = new.delay_ms;
    let (enqueued, standing) = admit(edit, queue, new)?;
    if let Some(standing) = standing {
        put_back::place(edit, queue, enqueued.item, standing, delay_ms)?;
    }
    Ok(enqueued)
}

/// Stores what an item holds. It is in no state yet, and the caller puts it into one with its standing; a duplicate has
/// none, and nothing is stored of it.
pub fn admit(edit: &mut Edit<'_>, queue: &mut Queue, new: NewItem) -> Result<(Enqueued, Option<Standing>), Failure> {
    if let Some(key) = &new.dedupe_key
        && let Some(item) = dedupe::seen(edit, queue, key)?
    {
        return Ok((Enqueued { item, duplicate: true }, None));
    }
    let (depth, depth_max) = (queue.row.depth(), queue.row.config.depth_max);
    if depth >= depth_max {
        return Err(edit.refused(QueueRefusal::Full {
            queue: queue.name.clone(),
            depth,
            depth_max,
        }));
    }
    queue.row.items += 1;
    let item = queue.row.items;
    if let Some(key) = &new.dedupe_key {
        dedupe::remember(edit, queue, key, item)?;
    }
    let row = ItemRow {
        enqueued: edit.log_time,
        enqueued_wall_ms: edit.wall_ms,
        dedupe_key: new.dedupe_key,
        payload: new.payload,
    };
    rows::write(edit.stage, Table::Items, item_key(queue.id(), item), &row)?;
    let standing = Standing {
        priority: new.priority,
        group: new.group,
        attempts: 0,
        checkpoint: false,
    };
    Ok((Enqueued { item, duplicate: false }, Some(standing)))
}
