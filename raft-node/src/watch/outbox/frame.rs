//! A message in the outbox.

use bytes::Bytes;
use quorate_proto::v1::{self as proto, watch_message};
use quorate_proto::watch::WatchEvents;

use super::Delivery;
use crate::types::Revision;

pub(super) enum Frame {
    /// Events of one revision, or a part of them, for the slots that get the same.
    Events {
        slots: Vec<usize>,
        events: WatchEvents,
        bytes: usize,
    },
    /// The last of a watch.
    Ended {
        slot: usize,
        id: u64,
        error: Option<proto::Error>,
    },
    /// Anything else.
    Answer(watch_message::Message),
}

impl Frame {
    /// What it counts for.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Frame::Events { bytes, .. } => *bytes,
            Frame::Ended { .. } | Frame::Answer(_) => 0,
        }
    }

    /// It counts among the answers.
    pub(super) fn is_answer(&self) -> bool {
        !matches!(self, Frame::Events { .. })
    }

    /// Leaves a slot out; its revision, if it was among those that get these events.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Revision> {
        let Frame::Events { slots, events, .. } = self else {
            return None;
        };
        let place = slots.iter().position(|one| *one == slot)?;
        slots.swap_remove(place);
        Some(Revision(events.revision))
    }

    /// Leaves a watch out, if this is a mark.
    pub(super) fn unmark(&mut self, id: u64) {
        if let Frame::Answer(watch_message::Message::Mark(mark)) = self {
            mark.watch_ids.retain(|one| *one != id);
        }
    }

    /// Somebody gets it.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Frame::Events { slots, .. } => !slots.is_empty(),
            // Who sent a probe waits for its answer, whichever watches are in it.
            Frame::Answer(watch_message::Message::Mark(mark)) => mark.probe_id != 0 || !mark.watch_ids.is_empty(),
            Frame::Answer(_) | Frame::Ended { .. } => true,
        }
    }
}

/// Cuts a revision into messages of about `fragment_bytes`, all but the last marked as having more behind them.
pub(super) fn split(
    delivery: Delivery,
    slots: &[usize],
    fragment_bytes: usize,
    overhead_bytes: usize,
    mut put: impl FnMut(Frame),
) {
    let message = |events: Vec<Bytes>, bytes, more| Frame::Events {
        slots: slots.to_vec(),
        events: WatchEvents {
            watch_ids: Vec::new(),
            revision: delivery.revision.0,
            wall_ms: delivery.wall_ms,
            events,
            more,
        },
        bytes,
    };
    let (mut part, mut part_bytes) = (Vec::new(), 0);
    for event in delivery.events {
        let bytes = event.len() + overhead_bytes;
        if !part.is_empty() && part_bytes + bytes > fragment_bytes {
            put(message(std::mem::take(&mut part), part_bytes, true));
            part_bytes = 0;
        }
        part_bytes += bytes;
        part.push(event);
    }
    put(message(part, part_bytes, false));
}
