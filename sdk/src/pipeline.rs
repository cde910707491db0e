//! What the callers, the writer and the reader of one connection share.
//!
//! A caller leaves its call in the queue; the connection's own task takes whatever waits there as one message, with no
//! timer and no task in between; the reader fills the callers' slots. A queued call whose caller gave up is not sent.
//!
//! Invariants: at most `outstanding_max` slots are taken; after [`Pipeline::fail`] nothing waits.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::consistency::whole_ms;
use crate::followed::{self, SentTimes};
use crate::session::Stamp;
use crate::slots::{Answer, Completed, Lost, Slots};
use crate::wire::Wire;

/// A message carries at most this many calls.
const BATCH_CALLS_MAX: usize = 1_024;
/// A message carries at most this many bytes of calls, but at least one call.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What a member takes as one request.
pub(crate) const REQUEST_BYTES_MAX: usize = 3 << 19;

struct State<W: Wire> {
    slots: Slots<W::Response>,
    queue: Vec<W::Call>,
    queue_bytes: usize,
    /// There are queued calls whose caller gave up, or was told that they were not sent.
    stale: bool,
    /// Calls ever queued, and how many of them were taken: tickets up to `sent` have left the queue.
    queued: u64,
    sent: u64,
    /// Noted only while somebody wants it.
    sent_times: SentTimes,
    writer: Option<Waker>,
    /// The writer has let the other callers run once since it found the queue filled.
    yielded: bool,
    sweeper_sleeps: bool,
    /// Why nothing more can be sent.
    failed: Option<String>,
}

impl<W: Wire> Default for State<W> {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            queue: Vec::new(),
            queue_bytes: 0,
            stale: false,
            queued: 0,
            sent: 0,
            sent_times: SentTimes::default(),
            writer: None,
            yielded: false,
            sweeper_sleeps: false,
            failed: None,
        }
    }
}

/// One connection's queue and slots.
pub(crate) struct Pipeline<W: Wire> {
    state: Mutex<State<W>>,
    /// One permit per free slot.
    pub(crate) permits: Semaphore,
    sweeper: Notify,
}

impl<W: Wire> Pipeline<W> {
    pub(crate) fn new(outstanding_max: u32) -> Self {
        Self {
            state: Mutex::new(State::default()),
            permits: Semaphore::new(outstanding_max as usize),
            sweeper: Notify::new(),
        }
    }

    /// Why the connection is gone, if it is.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state.lock().failed.clone()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.state.lock().failed.is_none()
    }

    /// Queues a call, whose caller holds a permit; its id.
    pub(crate) fn submit(&self, request: W::Request, deadline: Instant, waker: &Waker) -> Result<u64, Lost> {
        let timeout_ms = whole_ms(deadline.saturating_duration_since(Instant::now()));
        let mut call = W::call(request, timeout_ms);
        let bytes = call.encoded_len();
        if bytes > REQUEST_BYTES_MAX {
            return Err(Lost::TooLarge { bytes });
        }
        let mut state = self.state.lock();
        if let Some(reason) = &state.failed {
            return Err(Lost::NotSent(reason.clone()));
        }
        state.queued += 1;
        let ticket = state.queued;
        let id = state.slots.insert(ticket, deadline, waker.clone());
        W::set_id(&mut call, id);
        state.queue.push(call);
        state.queue_bytes += bytes;
        let writer = state.writer.take();
        let sweeper_slept = std::mem::take(&mut state.sweeper_sleeps);
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        if sweeper_slept {
            self.sweeper.notify_one();
        }
        Ok(id)
    }

    /// The answer of a call, or `None` and a wake-up later.
    pub(crate) fn collect(&self, id: u64, waker: &Waker) -> Option<Answer<W::Response>> {
        let answer = self.state.lock().slots.collect(id, waker);
        if answer.is_some() {
            self.permits.add_permits(1);
        }
        answer
    }

    /// When a call that is not collected yet was handed to the connection, if that was noted.
    pub(crate) fn sent_at(&self, id: u64) -> Option<Instant> {
        let state = self.state.lock();
        state.sent_times.of(state.slots.ticket(id)?)
    }

    /// The caller of a call is gone; its stamp stays outstanding until the call is settled.
    pub(crate) fn abandon(&self, id: u64, stamp: Option<Stamp>) {
        let mut state = self.state.lock();
        let sent = state.sent;
        let freed = state.slots.abandon(id, stamp, sent);
        if let Some((ticket, _)) = &freed {
            state.stale |= *ticket > sent;
            drop(state);
            self.permits.add_permits(1);
        }
        // The stamp, if it came back, is dropped here, without the lock.
    }

    /// The next message, once there is something to send; `None` when the connection is gone.
    pub(crate) fn poll_batch(&self, context: &mut Context<'_>) -> Poll<Option<W::Calls>> {
        let followed = followed::wanted();
        let mut state = self.state.lock();
        if state.failed.is_some() {
            return Poll::Ready(None);
        }
        state.drop_stale();
        if state.queue.is_empty() {
            state.yielded = false;
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        // The first caller of many that were woken together wakes this task, which then runs before the others do.
        // One turn at the back of the run queue lets them add their calls. A lone caller does not wait.
        if !state.yielded && state.slots.occupied() > state.queue.len() {
            state.yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.yielded = false;
        let batch = state.take_batch();
        if followed {
            let sent = state.sent;
            state.sent_times.note(sent, Instant::now());
        }
        Poll::Ready(Some(W::message(batch)))
    }

    /// Hands replies to their callers. `wakers` is scratch space.
    pub(crate) fn complete(&self, replies: W::Replies, wakers: &mut Vec<Waker>) {
        let mut freed = Vec::new();
        let mut state = self.state.lock();
        for (id, response) in W::responses(replies) {
            match state.slots.complete(id, Ok(response)) {
                Completed::Wake(waker) => wakers.push(waker),
                Completed::Freed(stamp) => freed.push(stamp),
                Completed::Nobody => {}
            }
        }
        drop(state);
        self.settle(wakers, freed);
    }

    /// Ends everything that waits, and refuses what comes later.
    pub(crate) fn fail(&self, reason: &str) {
        let (mut wakers, mut freed) = (Vec::new(), Vec::new());
        let mut state = self.state.lock();
        if state.failed.is_some() {
            return;
        }
        state.failed = Some(reason.to_owned());
        let sent = state.sent;
        state
            .slots
            .fail(reason, sent, |completed, _| sort(completed, &mut wakers, &mut freed));
        state.queue = Vec::new();
        wakers.extend(state.writer.take());
        drop(state);
        self.permits.close();
        self.sweeper.notify_one();
        self.settle(&mut wakers, freed);
    }

    /// Ends the waits whose deadline has passed.
    pub(crate) fn expire(&self, now: Instant) {
        let (mut wakers, mut freed) = (Vec::new(), Vec::new());
        let mut state = self.state.lock();
        let sent = state.sent;
        let mut stale = false;
        state.slots.expire(now, sent, |completed, was_sent| {
            stale |= !was_sent;
            sort(completed, &mut wakers, &mut freed);
        });
        state.stale |= stale;
        drop(state);
        self.settle(&mut wakers, freed);
    }

    /// Returns once some call waits; false when the connection is gone.
    pub(crate) async fn has_calls(&self) -> bool {
        loop {
            {
                let mut state = self.state.lock();
                if state.failed.is_some() {
                    return false;
                }
                if state.slots.occupied() > 0 {
                    return true;
                }
                state.sweeper_sleeps = true;
            }
            self.sweeper.notified().await;
        }
    }

    /// Without the lock: wakes callers, gives permits back and drops stamps.
    fn settle(&self, wakers: &mut Vec<Waker>, freed: Vec<Stamp>) {
        self.permits.add_permits(freed.len());
        for waker in wakers.drain(..) {
            waker.wake();
        }
    }
}

fn sort(completed: Completed, wakers: &mut Vec<Waker>, freed: &mut Vec<Stamp>) {
    match completed {
        Completed::Wake(waker) => wakers.push(waker),
        Completed::Freed(stamp) => freed.push(stamp),
        Completed::Nobody => {}
    }
}

impl<W: Wire> State<W> {
    /// Takes the calls out of the queue that nobody waits for any more, so that "not sent" stays true.
    fn drop_stale(&mut self) {
        if !self.stale {
            return;
        }
        let slots = &self.slots;
        self.queue.retain(|call| slots.awaits(W::id(call)));
        self.queue_bytes = self.queue.iter().map(Message::encoded_len).sum();
        self.stale = false;
        if self.queue.is_empty() {
            self.sent = self.queued;
        }
    }

    /// Everything that waits, up to the limits of a message.
    fn take_batch(&mut self) -> Vec<W::Call> {
        if self.queue.len() <= BATCH_CALLS_MAX && self.queue_bytes <= BATCH_BYTES_MAX {
            self.queue_bytes = 0;
            self.sent = self.queued;
            return std::mem::take(&mut self.queue);
        }
        let mut bytes = 0;
        let mut count = 0;
        for call in self.queue.iter().take(BATCH_CALLS_MAX) {
            bytes += call.encoded_len();
            if count > 0 && bytes > BATCH_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let rest = self.queue.split_off(count);
        let batch = std::mem::replace(&mut self.queue, rest);
        self.queue_bytes = self.queue.iter().map(Message::encoded_len).sum();
        let first_left = self.queue.first().and_then(|call| self.slots.ticket(W::id(call)));
        self.sent = first_left.map_or(self.queued, |ticket| ticket - 1);
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quorate_proto::v1;
    use quorate_proto::v1::call::Request;

    use super::*;
    use crate::wire::Strong;

    fn put(key: &'static str, value_bytes: usize) -> Request {
        Request::Put(v1::PutRequest {
            key: key.into(),
            value: vec![0; value_bytes].into(),
            ..Default::default()
        })
    }

    fn batch(pipeline: &Pipeline<Strong>) -> Option<usize> {
        let mut context = Context::from_waker(Waker::noop());
        // The first poll may let other callers run.
        for _ in 0..2 {
            if let Poll::Ready(batch) = pipeline.poll_batch(&mut context) {
                return batch.map(|batch| batch.calls.len());
            }
        }
        None
    }

    fn submit(pipeline: &Pipeline<Strong>, deadline: Instant, bytes: usize) -> u64 {
        pipeline.submit(put("k", bytes), deadline, Waker::noop()).unwrap()
    }

    #[test]
    fn a_call_that_was_reported_as_not_sent_is_never_sent() {
        let pipeline = Pipeline::<Strong>::new(16);
        let now = Instant::now();
        let expired = submit(&pipeline, now, 1);
        let kept = submit(&pipeline, now + Duration::from_secs(60), 1);
        pipeline.expire(now);
        assert_eq!(
            pipeline.collect(expired, Waker::noop()),
            Some(Err(Lost::TimedOut { sent: false }))
        );
        assert_eq!(batch(&pipeline), Some(1));
        assert_eq!(batch(&pipeline), None);
        pipeline.expire(now + Duration::from_secs(61));
        assert_eq!(
            pipeline.collect(kept, Waker::noop()),
            Some(Err(Lost::TimedOut { sent: true }))
        );
    }

    #[test]
    fn what_was_still_queued_when_the_connection_broke_was_not_sent() {
        let pipeline = Pipeline::<Strong>::new(16);
        let deadline = Instant::now() + Duration::from_secs(60);
        // Three calls of 600 kB: one message takes one of them, the next two each need their own.
        let calls: Vec<u64> = (0..3).map(|_| submit(&pipeline, deadline, 600_000)).collect();
        assert_eq!(batch(&pipeline), Some(1));
        pipeline.fail("broken");
        let answers: Vec<_> = calls
            .iter()
            .map(|id| pipeline.collect(*id, Waker::noop()).unwrap().unwrap_err())
            .collect();
        let not_sent = Lost::NotSent("broken".to_owned());
        assert_eq!(
            answers,
            [Lost::Broken("broken".to_owned()), not_sent.clone(), not_sent.clone()]
        );
        let refused = pipeline.submit(put("k", 1), deadline, Waker::noop());
        assert_eq!(refused.unwrap_err(), not_sent);
    }

    #[test]
    fn a_dropped_call_that_was_queued_is_taken_back() {
        let pipeline = Pipeline::<Strong>::new(16);
        let deadline = Instant::now() + Duration::from_secs(60);
        let dropped = submit(&pipeline, deadline, 1);
        pipeline.abandon(dropped, None);
        assert_eq!(batch(&pipeline), None);
        assert_eq!(pipeline.permits.available_permits(), 17, "its slot was given back");
    }
}
