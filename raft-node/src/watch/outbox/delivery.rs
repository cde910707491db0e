//! What an outbox is given: the events of a revision, in messages.

use bytes::Bytes;
use quorate_proto::watch::WatchEvents;

use crate::types::Revision;

/// A revision travels in messages of about this size.
const MESSAGE_BYTES: usize = 1 << 20;
/// What an event costs beside its bytes.
const EVENT_OVERHEAD_BYTES: usize = 64;

/// The events of one revision that some watches get. It is in all their outboxes at once.
pub(in crate::watch) struct Delivery {
    pub(in crate::watch) revision: Revision,
    wall_ms: u64,
    parts: Vec<Part>,
}

/// What goes into one message.
struct Part {
    events: Vec<Bytes>,
    bytes: usize,
}

impl Delivery {
    /// Cuts the events into parts.
    pub(in crate::watch) fn new(revision: Revision, wall_ms: u64, events: Vec<Bytes>) -> Self {
        let mut parts: Vec<Part> = Vec::with_capacity(1);
        for event in events {
            let bytes = event.len() + EVENT_OVERHEAD_BYTES;
            match parts.last_mut().filter(|part| part.bytes + bytes <= MESSAGE_BYTES) {
                Some(part) => {
                    part.bytes += bytes;
                    part.events.push(event);
                }
                None => parts.push(Part {
                    events: vec![event],
                    bytes,
                }),
            }
        }
        Self {
            revision,
            wall_ms,
            parts,
        }
    }

    /// Of all parts.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Of each part.
    pub(super) fn part_bytes(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|part| part.bytes)
    }

    /// One part as a message, all but the last of which say that more follows.
    pub(super) fn message(&self, part: usize, watch_ids: Vec<u64>) -> WatchEvents {
        WatchEvents {
            watch_ids,
            revision: self.revision.0,
            wall_ms: self.wall_ms,
            events: self.parts.get(part).map(|part| part.events.clone()).unwrap_or_default(),
            // Latest values have no revision: each event is whole.
            more: self.revision > Revision(0) && part + 1 < self.parts.len(),
        }
    }
}
