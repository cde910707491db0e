//! Tells those who watch what happened to a queue and to its items.

use crate::mvcc::Edit;
use crate::types::{Event, ItemEvent, QueueEvent};

/// Something happened to the queue.
pub fn tell(edit: &mut Edit<'_>, queue: &str, what: QueueEvent) {
    edit.events.push(Event::Queue {
        queue: queue.to_owned(),
        what,
    });
}

/// The same happened to these items; nothing, if there are none.
pub fn tell_items(edit: &mut Edit<'_>, queue: &str, items: Vec<u64>, what: ItemEvent) {
    if !items.is_empty() {
        tell(edit, queue, QueueEvent::Items { items, what });
    }
}

/// Something happened to an item. What happens to several, one after the other, is one event: a lease that ends can give
/// back ten thousand.
pub fn tell_item(edit: &mut Edit<'_>, queue: &str, item: u64, what: ItemEvent) {
    if let Some(Event::Queue {
        queue: last_queue,
        what: QueueEvent::Items { items, what: last },
    }) = edit.events.last_mut()
        && last_queue == queue
        && *last == what
    {
        items.push(item);
        return;
    }
    tell_items(edit, queue, vec![item], what);
}
