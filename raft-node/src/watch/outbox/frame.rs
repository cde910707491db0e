//! A message in the outbox.

use std::sync::Arc;

use quorate_proto::v1::{self as proto, watch_message};

use super::Delivery;
use crate::types::Revision;

pub(super) enum Frame {
    /// A part of the events of one revision, for the slots that get the same.
    Events {
        slots: Vec<usize>,
        delivery: Arc<Delivery>,
        part: usize,
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
        let Frame::Events { slots, delivery, .. } = self else {
            return None;
        };
        let place = slots.iter().position(|one| *one == slot)?;
        slots.swap_remove(place);
        Some(delivery.revision)
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
