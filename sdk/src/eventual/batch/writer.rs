//! The task that sends what waits: after the interval, when enough waits, or when somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::buffer::{Buffer, REQUEST_WRITES_BYTES_MAX};
use super::handle::{FailedWrite, Flushed};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::value::Strategy;
use crate::eventual::write::send;
use crate::wire::EventualWrites;

/// Failures that are kept until they are asked for.
const FAILED_MAX: usize = 1_024;

/// Told of each request what became of its writes, before anybody who waits for it goes on.
pub(crate) type BatchObserver = Arc<dyn Fn(&Flushed) + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) interval: Duration,
    pub(super) writes: usize,
    pub(super) buffer_writes: usize,
    pub(super) buffer_bytes: usize,
    pub(super) strategy: Option<Strategy>,
    pub(super) observer: Option<BatchObserver>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            writes: 512,
            buffer_writes: 8_192,
            buffer_bytes: 8 << 20,
            strategy: None,
            observer: None,
        }
    }
}

#[derive(Default)]
struct State {
    buffer: Buffer,
    /// Of the request that is under way.
    sent_writes: usize,
    sent_bytes: usize,
    /// When the oldest write that waits was pushed.
    since: Option<Instant>,
    /// Writes ever taken into the buffer, and how many of them were answered; those that became one count once.
    accepted: u64,
    settled: u64,
    /// Everything up to this one is to be sent at once.
    urgent: u64,
    /// A push waits for room.
    pressed: bool,
    closing: bool,
    outcome: Flushed,
}

/// What the handles and the task share.
pub(super) struct Shared {
    core: Arc<Core>,
    pub(super) domain: String,
    settings: Settings,
    state: Mutex<State>,
    /// There may be something to send.
    filled: Notify,
    /// An answer came.
    answered: Notify,
}

impl Shared {
    pub(super) fn new(core: Arc<Core>, domain: String, settings: Settings) -> Self {
        Self {
            core,
            domain,
            settings,
            state: Mutex::default(),
            filled: Notify::new(),
            answered: Notify::new(),
        }
    }

    /// Takes a write in, once there is room for it.
    pub(super) async fn push(&self, mut write: v1::EventualWrite) -> Result<()> {
        self.give_strategy(&mut write);
        let bytes = prost::Message::encoded_len(&write);
        let limit = self.settings.buffer_bytes;
        if bytes > limit {
            let (field, message) = (
                "write",
                format!("the write is {bytes} bytes; the limit of the buffer is {limit}"),
            );
            let kind = ErrorKind::TooLarge {
                field: field.to_owned(),
                limit: limit as u64,
                value: bytes as u64,
            };
            return Err(Error::new(kind, Outcome::NotApplied, message));
        }
        let Some(mut write) = self.try_push(write, bytes)? else {
            return Ok(());
        };
        loop {
            let mut room = std::pin::pin!(self.answered.notified());
            // Registered before the look at the state: an answer in between is not missed.
            room.as_mut().enable();
            write = match self.try_push(write, bytes)? {
                Some(write) => write,
                None => return Ok(()),
            };
            room.await;
        }
    }

    /// Gives it back if there is no room. Wakes the writer if it has a reason to look.
    fn try_push(&self, write: v1::EventualWrite, bytes: usize) -> Result<Option<v1::EventualWrite>> {
        let mut state = self.state.lock();
        if state.closing {
            let message = "the batch was closed";
            return Err(Error::new(ErrorKind::Closed, Outcome::NotApplied, message));
        }
        let writes = state.buffer.len() + state.sent_writes;
        let held = state.buffer.bytes() + state.sent_bytes;
        if writes >= self.settings.buffer_writes || held + bytes > self.settings.buffer_bytes {
            state.pressed = true;
            drop(state);
            self.filled.notify_one();
            return Ok(Some(write));
        }
        if !state.buffer.push(write, bytes) {
            state.accepted += 1;
        }
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        let wakes = first || self.is_full(&state.buffer);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
        Ok(None)
    }

    /// There is enough for a request.
    fn is_full(&self, buffer: &Buffer) -> bool {
        buffer.len() >= self.settings.writes || buffer.bytes() >= REQUEST_WRITES_BYTES_MAX
    }

    fn give_strategy(&self, write: &mut v1::EventualWrite) {
        if let (Some(Change::Put(put)), Some(strategy)) = (&mut write.change, self.settings.strategy)
            && put.strategy() == v1::EventualStrategy::Unspecified
        {
            put.set_strategy(strategy.to_wire());
        }
    }

    /// Sends what waits and returns what became of everything since the last time.
    pub(super) async fn flush(&self) -> Flushed {
        let target = {
            let mut state = self.state.lock();
            state.urgent = state.accepted;
            state.accepted
        };
        self.filled.notify_one();
        loop {
            let mut answered = std::pin::pin!(self.answered.notified());
            answered.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.settled >= target {
                    return std::mem::take(&mut state.outcome);
                }
            }
            answered.await;
        }
    }

    /// Writes that are not answered.
    pub(super) fn pending(&self) -> usize {
        let state = self.state.lock();
        state.buffer.len() + state.sent_writes
    }

    /// Takes in nothing more; the task ends when everything is answered.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.filled.notify_one();
        // Those who wait for room are told.
        self.answered.notify_waiters();
    }

    pub(super) async fn run(&self) {
        while let Some(writes) = self.due().await {
            self.send(writes).await;
        }
    }

    /// The writes of the next request, when it is time; `None` when there will be no more.
    async fn due(&self) -> Option<Vec<v1::EventualWrite>> {
        loop {
            let until = {
                let mut state = self.state.lock();
                match state.since {
                    Some(since) => {
                        let until = since + self.settings.interval;
                        let wanted = state.closing || state.pressed || state.urgent > state.settled;
                        if self.is_full(&state.buffer) || wanted || Instant::now() >= until {
                            return Some(state.take(self.settings.writes));
                        }
                        Some(until)
                    }
                    None if state.closing => return None,
                    None => None,
                }
            };
            match until {
                // That the time is over is seen in the next round.
                Some(until) => drop(tokio::time::timeout_at(until, self.filled.notified()).await),
                None => self.filled.notified().await,
            }
        }
    }

    async fn send(&self, writes: Vec<v1::EventualWrite>) {
        let request = v1::EventualWriteRequest {
            domain: self.domain.clone(),
            writes,
            quiet: true,
            ..Default::default()
        };
        let (request, writes) = EventualWrites::new(request);
        let keys: Vec<bytes::Bytes> = writes.into_iter().map(|write| write.key).collect();
        let mut outcome = Flushed::default();
        match send(&self.core, request, None).await {
            Ok(written) if written.results.is_empty() => outcome.written += keys.len() as u64,
            Ok(written) if written.results.len() == keys.len() => {
                for (key, result) in keys.iter().zip(written.results) {
                    match result {
                        Ok(_) => outcome.written += 1,
                        Err(error) => outcome.fail(key, &error),
                    }
                }
            }
            Ok(written) => {
                let message = format!(
                    "{} writes were answered with {} results",
                    keys.len(),
                    written.results.len()
                );
                let error = Error::new(ErrorKind::Protocol, Outcome::Unknown, message);
                keys.iter().for_each(|key| outcome.fail(key, &error));
            }
            Err(error) => keys.iter().for_each(|key| outcome.fail(key, &error)),
        }
        if let Some(observer) = &self.settings.observer {
            observer(&outcome);
        }
        let mut state = self.state.lock();
        state.outcome.take_over(outcome);
        state.settled += keys.len() as u64;
        (state.sent_writes, state.sent_bytes) = (0, 0);
        drop(state);
        self.answered.notify_waiters();
    }
}

impl State {
    fn take(&mut self, writes_max: usize) -> Vec<v1::EventualWrite> {
        let before = self.buffer.bytes();
        let taken = self.buffer.take(writes_max);
        self.sent_writes = taken.len();
        self.sent_bytes = before - self.buffer.bytes();
        self.pressed = false;
        // The rest has waited for this request: its time begins now.
        self.since = (self.buffer.len() > 0).then(Instant::now);
        taken
    }
}

impl Flushed {
    /// What became of other writes, later ones.
    pub(crate) fn take_over(&mut self, later: Self) {
        self.written += later.written;
        for failed in later.failed {
            self.fail(&failed.key, &failed.error);
        }
        self.failed_left_out += later.failed_left_out;
    }

    fn fail(&mut self, key: &bytes::Bytes, error: &Error) {
        if self.failed.len() < FAILED_MAX {
            self.failed.push(FailedWrite {
                key: key.clone(),
                error: error.clone(),
            });
        } else {
            self.failed_left_out += 1;
        }
    }
}
