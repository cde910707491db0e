//! A part of a revision as it came, shared by all watches that get it.

use bytes::{Bytes, BytesMut};
use quorate_proto::watch::WatchEvents;

/// Bytes that an event takes in a buffer besides its own.
const EVENT_OVERHEAD_BYTES: usize = 32;
/// A part that is a smaller share of its message than one of this many is copied out of it.
const SHARE_MIN: usize = 4;

/// The events of one revision, or some of them.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) revision: u64,
    pub(super) wall_ms: u64,
    /// Each an encoded event: decoded where the consumer takes it.
    pub(crate) events: Vec<Bytes>,
    /// What it takes in a buffer.
    pub(super) bytes: usize,
    /// More of this revision follows.
    pub(crate) more: bool,
}

impl Delivery {
    /// An event keeps the message that it came in alive. What is a small part of a message of `message_bytes` is copied, so
    /// that a buffer holds no more than a few times what it counts.
    pub(crate) fn new(events: WatchEvents, message_bytes: usize) -> Self {
        let own_bytes = bytes_of(&events);
        let WatchEvents {
            revision,
            wall_ms,
            mut events,
            more,
            ..
        } = events;
        if own_bytes.saturating_mul(SHARE_MIN) < message_bytes {
            let mut copy = BytesMut::with_capacity(own_bytes);
            for event in &mut events {
                copy.extend_from_slice(event);
                *event = copy.split().freeze();
            }
        }
        let bytes = own_bytes + events.len() * EVENT_OVERHEAD_BYTES;
        Self {
            revision,
            wall_ms,
            events,
            bytes,
            more,
        }
    }
}

/// Bytes of the events themselves.
pub(super) fn bytes_of(events: &WatchEvents) -> usize {
    events.events.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(message: &Bytes) -> WatchEvents {
        WatchEvents {
            events: vec![message.slice(..2), message.slice(2..5)],
            ..WatchEvents::default()
        }
    }

    #[test]
    fn a_small_part_of_a_message_does_not_keep_the_message() {
        let message = Bytes::from(vec![7; 1_000]);
        let copied = Delivery::new(events(&message), message.len());
        assert!(
            copied
                .events
                .iter()
                .all(|event| !message.as_ptr_range().contains(&event.as_ptr()))
        );
        assert_eq!(copied.events, [vec![7; 2], vec![7; 3]]);
        let kept = Delivery::new(events(&message), 20);
        assert_eq!(kept.events[0].as_ptr(), message.as_ptr());
        assert_eq!(kept.bytes, 5 + 2 * EVENT_OVERHEAD_BYTES);
    }
}
