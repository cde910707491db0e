//! The way out: whatever waits, as one message of the stream.

use std::sync::atomic::Ordering;

use quorate_proto::v1::{self as proto, watch_message};

use super::frame::Frame;
use super::{ANSWERS_MAX, Outbox, STREAM_BYTES_MAX, State, WATCH_BYTES_MAX, WATCH_MESSAGES_MAX};

/// A message of the stream is closed when it passes either.
const MESSAGES_MAX: usize = 1024;
const MESSAGE_BYTES: usize = 1 << 20;

impl Outbox {
    /// The next message for the stream, as soon as there is something to say; none when the outbox is closed and empty, but
    /// first what broke the stream.
    pub async fn take(&self) -> Option<Result<proto::WatchResponse, proto::Error>> {
        loop {
            let filled = self.filled.notified();
            {
                let mut state = self.state.lock();
                if !state.queue.is_empty() {
                    return Some(Ok(self.take_from(&mut state)));
                }
                if state.closed {
                    return state.broken.take().map(Err);
                }
            }
            filled.await;
        }
    }

    fn take_from(&self, state: &mut State) -> proto::WatchResponse {
        let mut messages = Vec::with_capacity(state.queue.len().min(MESSAGES_MAX));
        let (mut bytes, bytes_before) = (0, state.bytes);
        let answers = state.answers;
        while messages.len() < MESSAGES_MAX && bytes < MESSAGE_BYTES {
            let Some(frame) = state.queue.pop_front() else { break };
            bytes += frame.bytes();
            let message = Some(state.unpack(frame));
            messages.push(proto::WatchMessage { message });
        }
        state.taken_at = self.clock.monotonic();
        self.member_bytes
            .fetch_sub(bytes_before - state.bytes, Ordering::Relaxed);
        self.unpark();
        if answers >= ANSWERS_MAX && state.answers < ANSWERS_MAX {
            self.drained.notify_one();
        }
        self.feed_the_starving(state);
        proto::WatchResponse { messages }
    }

    /// Tells those who were refused something that there is room now: half of what they may have, so that they are not
    /// told for each message.
    fn feed_the_starving(&self, state: &mut State) {
        if state.starving.is_empty() || state.bytes > STREAM_BYTES_MAX / 2 {
            return;
        }
        let State { starving, slots, .. } = state;
        starving.retain(|slot| {
            let Some(found) = slots.get_mut(*slot) else {
                return false;
            };
            if found.bytes > WATCH_BYTES_MAX / 2 || found.messages > WATCH_MESSAGES_MAX / 2 {
                return true;
            }
            // It is told when nothing of it is left.
            if found.subscription.is_some() && found.messages > 0 {
                return true;
            }
            found.starving = false;
            match &found.subscription {
                Some(subscription) => subscription.tell(),
                None => self.ready.push(found.watch),
            }
            false
        });
    }
}

impl State {
    fn unpack(&mut self, frame: Frame) -> watch_message::Message {
        match frame {
            Frame::Events {
                slots,
                delivery,
                part,
                bytes,
            } => {
                self.bytes -= bytes;
                let mut ids = Vec::with_capacity(slots.len());
                for slot in slots {
                    let slot = &mut self.slots[slot];
                    slot.bytes -= bytes;
                    slot.messages -= 1;
                    ids.push(slot.id);
                }
                watch_message::Message::Events(delivery.message(part, ids))
            }
            Frame::Ended { slot, id, error } => {
                self.answers -= 1;
                self.slots.remove(slot);
                self.by_id.remove(&id);
                self.starving.retain(|one| *one != slot);
                watch_message::Message::Canceled(proto::WatchCanceled { watch_id: id, error })
            }
            Frame::Answer(message) => {
                self.answers -= 1;
                message
            }
        }
    }
}
