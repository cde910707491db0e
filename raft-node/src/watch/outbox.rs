//! What is on its way to one stream.
//!
//! A revision goes in whole or not at all. A watch may have so much in the outbox; past that, or past what all watches of
//! the stream may have together, a revision is refused, and the watch reads it again from the store once there is room.
//! A watch that has nothing in the outbox is refused only while the whole stream is full, so each gets its turn. When the
//! outboxes of all streams together are full, each watch gets one revision at a time.

mod delivery;
mod frame;
mod take;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::v1::{self as proto, watch_message};
use slab::Slab;
use tokio::sync::Notify;

use super::ready::ReadyQueue;
use super::subscriptions::Subscription;
use super::watches::WatchKey;
use crate::environment::Clock;
use crate::types::Revision;
pub(super) use delivery::Delivery;
use frame::Frame;

/// Bytes of events that one watch may have in the outbox, unless a single revision has more.
pub(super) const WATCH_BYTES_MAX: usize = 1 << 20;
/// Messages of events that one watch may have in the outbox.
pub(super) const WATCH_MESSAGES_MAX: usize = 1024;
/// Bytes of events that all watches of a stream may have together, unless the last revision brought more.
const STREAM_BYTES_MAX: usize = 8 << 20;
/// Bytes of events that all streams of the member may have together before each watch has to make do with one revision. At
/// twice as much nobody gets anything.
const MEMBER_BYTES_MAX: usize = 256 << 20;
/// Answers and marks that may wait, before no more requests are read from the stream.
const ANSWERS_MAX: usize = 4096;

/// The outbox of a stream.
pub struct Outbox {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    ready: Arc<ReadyQueue>,
    /// Bytes of events in the outboxes of all streams.
    member_bytes: Arc<AtomicUsize>,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Frame>,
    /// Of the events in the queue.
    bytes: usize,
    /// Messages in the queue that are not events.
    answers: usize,
    slots: Slab<Slot>,
    by_id: HashMap<u64, usize>,
    /// Slots that were refused something since they last had room.
    starving: Vec<usize>,
    /// When the stream last took something, or had nothing to take.
    taken_at: Duration,
    closed: bool,
    /// What the client did wrong; the stream ends with it.
    broken: Option<proto::Error>,
}

/// A watch, as far as it matters here.
struct Slot {
    id: u64,
    watch: WatchKey,
    bytes: usize,
    messages: usize,
    starving: bool,
    /// Its last message is in the queue.
    ended: bool,
    /// Of a watch of the eventual tier: who is told of room, instead of the ready queue.
    subscription: Option<Arc<Subscription>>,
}

/// Whether a watch may have more.
enum Room {
    Enough,
    /// It is told when its own outbox has room.
    Later,
    /// The outboxes of all streams are full. It is told when they are not.
    Nowhere,
    Ended,
}

impl Outbox {
    pub(super) fn new(clock: Arc<dyn Clock>, ready: Arc<ReadyQueue>, member_bytes: Arc<AtomicUsize>) -> Arc<Self> {
        let state = State {
            taken_at: clock.monotonic(),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            clock,
            ready,
            member_bytes,
            filled: Notify::new(),
            drained: Notify::new(),
        })
    }

    /// A place for a watch; none if its id is in use.
    pub(super) fn add(&self, id: u64, watch: WatchKey) -> Option<usize> {
        let mut state = self.state.lock();
        if state.by_id.contains_key(&id) {
            return None;
        }
        let slot = state.slots.insert(Slot {
            id,
            watch,
            bytes: 0,
            messages: 0,
            starving: false,
            ended: false,
            subscription: None,
        });
        state.by_id.insert(id, slot);
        Some(slot)
    }

    /// The last message of the watch with this id is still to be taken.
    pub(crate) fn is_in_use(&self, id: u64) -> bool {
        self.state.lock().by_id.contains_key(&id)
    }

    /// The watch with an id of the stream, unless it has ended.
    pub(super) fn find(&self, id: u64) -> Option<WatchKey> {
        let state = self.state.lock();
        let slot = state.slots.get(*state.by_id.get(&id)?)?;
        (!slot.ended).then_some(slot.watch)
    }

    /// Every watch of the stream that has not ended.
    pub(super) fn watches(&self) -> Vec<WatchKey> {
        let state = self.state.lock();
        let living = state.slots.iter().filter(|(_, slot)| !slot.ended);
        living.map(|(_, slot)| slot.watch).collect()
    }

    /// Puts a revision in for each of `slots`, and adds those to `refused` for which there is no room. They are told
    /// through the ready queue when there is.
    pub(super) fn push(&self, slots: &[usize], delivery: &Arc<Delivery>, refused: &mut Vec<usize>) {
        let bytes = delivery.bytes();
        let member_bytes = self.member_bytes.load(Ordering::Relaxed);
        let mut state = self.state.lock();
        let mut taken = Vec::with_capacity(slots.len());
        for slot in slots {
            match state.room(*slot, bytes, member_bytes) {
                Room::Enough => taken.push(*slot),
                Room::Later => refused.push(*slot),
                Room::Nowhere => {
                    refused.push(*slot);
                    let found = &state.slots[*slot];
                    if found.subscription.is_none() {
                        self.ready.park(found.watch);
                    }
                }
                Room::Ended => {}
            }
        }
        if taken.is_empty() {
            return;
        }
        for (part, bytes) in delivery.part_bytes().enumerate() {
            let bytes = bytes + taken.len() * size_of::<usize>();
            state.bytes += bytes;
            self.member_bytes.fetch_add(bytes, Ordering::Relaxed);
            for slot in &taken {
                let slot = &mut state.slots[*slot];
                slot.bytes += bytes;
                slot.messages += 1;
            }
            let frame = Frame::Events {
                slots: taken.clone(),
                delivery: Arc::clone(delivery),
                part,
                bytes,
            };
            self.enqueue(&mut state, frame);
        }
    }

    /// From now on the subscription is told when its watch has room.
    pub(super) fn tell(&self, slot: usize, subscription: Arc<Subscription>) {
        if let Some(found) = self.state.lock().slots.get_mut(slot) {
            found.subscription = Some(subscription);
        }
    }

    /// The client has read everything of the watch; otherwise it is told when it has.
    pub(super) fn is_read_by(&self, slot: usize) -> bool {
        let mut state = self.state.lock();
        let Some(found) = state.slots.get_mut(slot) else {
            return true;
        };
        if found.messages == 0 {
            return true;
        }
        if !std::mem::replace(&mut found.starving, true) {
            state.starving.push(slot);
        }
        false
    }

    /// Says that the watch is there; a coherent cache hears how long it may answer after a proof.
    pub(super) fn created(&self, header: proto::ResponseHeader, id: u64, revision: Revision, lease_ms: u64) {
        let message = watch_message::Message::Created(proto::WatchCreated {
            header: Some(header),
            watch_id: id,
            revision: revision.0,
            lease_ms,
        });
        self.answer(Frame::Answer(message));
    }

    /// Puts a mark in.
    pub(crate) fn mark(&self, mark: proto::WatchMark) {
        self.answer(Frame::Answer(watch_message::Message::Mark(mark)));
    }

    /// Says what became of the keys of a cache.
    pub(super) fn keys_changed(&self, changed: proto::CacheKeysChanged) {
        self.answer(Frame::Answer(watch_message::Message::CacheKeysChanged(changed)));
    }

    /// Tells caches to drop something; not if the client reads nothing.
    pub(super) fn invalidate(&self, message: proto::CacheInvalidate) -> bool {
        let mut state = self.state.lock();
        if state.answers >= ANSWERS_MAX {
            return false;
        }
        state.answers += 1;
        let message = watch_message::Message::CacheInvalidate(message);
        self.enqueue(&mut state, Frame::Answer(message));
        true
    }

    /// The last message of a watch.
    pub(super) fn ended(&self, slot: usize, error: Option<proto::Error>) {
        let mut state = self.state.lock();
        let Some(found) = state.slots.get_mut(slot).filter(|slot| !slot.ended) else {
            return;
        };
        found.ended = true;
        let id = found.id;
        state.answers += 1;
        self.enqueue(&mut state, Frame::Ended { slot, id, error });
    }

    /// Refuses a watch that never was.
    pub(crate) fn refused(&self, id: u64, error: proto::Error) {
        self.answer(Frame::Answer(watch_message::Message::Canceled(proto::WatchCanceled {
            watch_id: id,
            error: Some(error),
        })));
    }

    /// Takes the events of a watch out again, and the watch out of the marks behind them, which would speak of what never
    /// came. Returns the first revision that was among the events.
    pub(super) fn withdraw(&self, slot: usize) -> Option<Revision> {
        let mut state = self.state.lock();
        let id = state.slots.get(slot)?.id;
        let mut first = None;
        let (mut freed, mut answers) = (0, 0);
        state.queue.retain_mut(|frame| {
            if first.is_some() {
                frame.unmark(id);
            }
            first = first.or(frame.remove(slot));
            let is_wanted = frame.is_wanted();
            if !is_wanted {
                freed += frame.bytes();
                answers += usize::from(frame.is_answer());
            }
            is_wanted
        });
        state.answers -= answers;
        if answers > 0 {
            self.drained.notify_one();
        }
        state.bytes -= freed;
        self.member_bytes.fetch_sub(freed, Ordering::Relaxed);
        self.unpark();
        if let Some(slot) = state.slots.get_mut(slot) {
            (slot.bytes, slot.messages) = (0, 0);
        }
        first
    }

    /// How long nothing was taken although something was there.
    pub(super) fn stalled_for(&self) -> Duration {
        let state = self.state.lock();
        if state.queue.is_empty() {
            return Duration::ZERO;
        }
        self.clock.monotonic().saturating_sub(state.taken_at)
    }

    /// The watches that wait for room.
    pub(super) fn starving(&self) -> Vec<WatchKey> {
        let state = self.state.lock();
        let slots = state.starving.iter().filter_map(|slot| state.slots.get(*slot));
        slots.map(|slot| slot.watch).collect()
    }

    /// Little enough waits for a mark to be worth its place.
    pub(super) fn is_nearly_empty(&self) -> bool {
        self.state.lock().queue.len() < WATCH_MESSAGES_MAX
    }

    /// Completes when the client has read enough of the answers for another request.
    pub(crate) async fn room_for_answers(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state.lock();
                if state.answers < ANSWERS_MAX || state.closed {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Nothing more is put in. What is there may still be taken.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
        self.drained.notify_one();
    }

    /// Ends the stream with an error, behind what is there.
    pub(crate) fn fail(&self, broken: proto::Error) {
        self.state.lock().broken = Some(broken);
        self.close();
    }

    fn answer(&self, frame: Frame) {
        let mut state = self.state.lock();
        state.answers += 1;
        self.enqueue(&mut state, frame);
    }

    fn enqueue(&self, state: &mut State, frame: Frame) {
        if state.closed {
            return;
        }
        if state.queue.is_empty() {
            state.taken_at = self.clock.monotonic();
            self.filled.notify_one();
        }
        state.queue.push_back(frame);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().bytes;
        self.member_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.unpark();
    }
}

impl Outbox {
    /// Those who found no room anywhere may try again, if there is some.
    pub(super) fn unpark(&self) {
        if self.member_bytes.load(Ordering::Relaxed) < MEMBER_BYTES_MAX {
            self.ready.unpark();
        }
    }
}

impl State {
    /// Whether a watch may have so many bytes more.
    fn room(&mut self, slot: usize, bytes: usize, member_bytes: usize) -> Room {
        let full = self.bytes >= STREAM_BYTES_MAX;
        let Some(found) = self.slots.get_mut(slot).filter(|slot| !slot.ended) else {
            return Room::Ended;
        };
        let fits = member_bytes < MEMBER_BYTES_MAX
            && found.bytes + bytes <= WATCH_BYTES_MAX
            && found.messages < WATCH_MESSAGES_MAX;
        if found.messages == 0 && member_bytes >= 2 * MEMBER_BYTES_MAX {
            return Room::Nowhere;
        }
        if !full && (fits || found.messages == 0) {
            return Room::Enough;
        }
        if !std::mem::replace(&mut found.starving, true) {
            self.starving.push(slot);
        }
        Room::Later
    }
}
