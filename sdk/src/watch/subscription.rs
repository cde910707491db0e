//! One watch, as its consumer, the stream that serves it and the task that follows it share it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use quorate_proto::v1;
use quorate_proto::v1::watch_create::Start;
use tokio::sync::Notify;

use super::buffer::{Buffer, REVISION_BYTES_MAX, Received, Taken};
use super::delivery::Delivery;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// What was asked for, except for the start.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Without an id and without a start.
    pub(super) create: v1::WatchCreate,
    pub(super) buffer_revisions: usize,
    pub(super) fail_when_lagging: bool,
}

/// Why a watch is no longer at the member where it was.
#[derive(Debug)]
pub(crate) enum Departure {
    /// The consumer has not taken what came.
    Lagging,
    /// The member's answer to this watch.
    Refused(Error),
    /// The stream is gone, or what carried it.
    Lost(Error),
}

/// What the consumer is given.
#[derive(Debug)]
pub(super) struct Yielded {
    pub(super) taken: Taken,
    /// With it, everything up to this revision was.
    pub(super) through: u64,
    /// In which revisions count.
    pub(super) epoch: u64,
}

#[derive(Debug)]
enum Phase {
    /// No member was asked for it.
    Nowhere,
    /// A member was asked, and has not answered; the start may not be before this revision.
    Asked { start_min: u64 },
    /// A member serves it.
    Served,
    /// The follower has not noticed yet.
    Left(Departure),
}

#[derive(Debug)]
enum End {
    NotYet,
    /// To be told once everything before has been taken.
    Pending(Error),
    Told,
}

#[derive(Debug)]
struct State {
    buffer: Buffer,
    phase: Phase,
    /// Under which it was asked for last; 0: never.
    watch_id: u64,
    end: End,
    /// Cluster and epoch in which its revisions count.
    origin: Option<(u64, u64)>,
    /// The start was given, perhaps a revision that is still to come.
    from_given: bool,
    trouble: Option<Error>,
    consumer: Option<Waker>,
}

/// One watch.
#[derive(Debug)]
pub(super) struct Subscription {
    asked: Asked,
    state: Mutex<State>,
    /// For the task that follows it.
    follower: Notify,
    /// For whoever opens it.
    opener: Notify,
}

impl Subscription {
    /// `from`: the first revision that is wanted; none: from now on.
    pub(super) fn new(asked: Asked, from: Option<u64>) -> Self {
        let marks_wanted = asked.create.mark_interval_ms > 0;
        let received = from.map(|revision| revision - 1);
        let state = State {
            buffer: Buffer::new(received, asked.buffer_revisions, marks_wanted),
            phase: Phase::Nowhere,
            watch_id: 0,
            end: End::NotYet,
            origin: None,
            from_given: from.is_some(),
            trouble: None,
            consumer: None,
        };
        Self {
            asked,
            state: Mutex::new(state),
            follower: Notify::new(),
            opener: Notify::new(),
        }
    }

    pub(super) fn fails_when_lagging(&self) -> bool {
        self.asked.fail_when_lagging
    }

    /// Everything up to this revision was received; none while the start is not known.
    pub(super) fn received(&self) -> Option<u64> {
        self.state.lock().buffer.received()
    }

    /// Everything up to this revision was taken.
    pub(super) fn taken(&self) -> u64 {
        self.state.lock().buffer.taken()
    }

    pub(super) fn buffered(&self) -> usize {
        self.state.lock().buffer.revisions()
    }

    /// The epoch, and the revision up to which everything was taken, once a member has it and if it started now.
    pub(super) fn start(&self) -> Option<(u64, u64)> {
        let state = self.state.lock();
        let (_, epoch) = state.origin?;
        (!state.from_given).then(|| (epoch, state.buffer.taken()))
    }

    /// A member was asked for it, or has it.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Asked { .. } | Phase::Served)
    }

    pub(super) fn is_served(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Served)
    }

    /// Why it is not served at this moment.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.state.lock().trouble.clone()
    }

    pub(super) fn set_trouble(&self, error: &Error) {
        self.state.lock().trouble = Some(error.clone());
    }
}

/// For the stream.
impl Subscription {
    /// The request for it, from where it stands. `seen` is the newest revision that the client has seen.
    pub(super) fn ask(&self, watch_id: u64, seen: u64) -> v1::WatchCreate {
        let mut state = self.state.lock();
        state.phase = Phase::Asked { start_min: seen };
        state.watch_id = watch_id;
        let start = match state.buffer.received() {
            Some(received) => Start::FromRevision(received + 1),
            None => Start::Now(v1::WatchNow {}),
        };
        v1::WatchCreate {
            watch_id,
            start: Some(start),
            ..self.asked.create.clone()
        }
    }

    /// The member has it. False: it cannot stay there.
    pub(super) fn created(&self, created: &v1::WatchCreated) -> bool {
        let mut state = self.state.lock();
        let Phase::Asked { start_min } = state.phase else {
            return self.leave(
                &mut state,
                Departure::Refused(protocol("a watch was created twice".to_owned())),
            );
        };
        let header = created.header.unwrap_or_default();
        let origin = (header.cluster_id, header.store_epoch);
        if state.origin.is_some_and(|known| known != origin) {
            let message = "the store that was watched is gone: another one, or one that was restored, answers";
            let error = Error::new(ErrorKind::WrongCluster, Outcome::NotAMutation, message);
            return self.leave(&mut state, Departure::Refused(error));
        }
        let revision = created.revision;
        if state.buffer.received().is_none() && revision < start_min {
            let message = format!("a watch was started at revision {revision}, before {start_min}, which was seen");
            return self.leave(&mut state, Departure::Lost(protocol(message)));
        }
        if !state.buffer.start(revision) {
            let wanted = state.buffer.received().unwrap_or(0);
            let message = format!("a watch was started after revision {revision} instead of {wanted}");
            return self.leave(&mut state, Departure::Refused(protocol(message)));
        }
        state.origin = Some(origin);
        state.phase = Phase::Served;
        state.trouble = None;
        self.opener.notify_one();
        self.follower.notify_one();
        true
    }

    /// Events came. False: it cannot stay there.
    pub(super) fn deliver(&self, delivery: &Arc<Delivery>, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.state.lock();
        let revision = delivery.revision;
        if !matches!(state.phase, Phase::Served) {
            let message = format!("events of revision {revision} came before their watch was created");
            return self.leave(&mut state, Departure::Refused(protocol(message)));
        }
        let received = state.buffer.receive(Arc::clone(delivery));
        self.keep(&mut state, revision, received, wakers)
    }

    /// A mark came. False: it cannot stay there.
    pub(super) fn mark(&self, revision: u64, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Served) {
            return true;
        }
        let received = state.buffer.mark(revision);
        self.keep(&mut state, revision, received, wakers)
    }

    fn keep(&self, state: &mut State, revision: u64, received: Received, wakers: &mut Vec<Waker>) -> bool {
        match received {
            Received::Ready => {
                wakers.extend(state.consumer.take());
                true
            }
            Received::Nothing => true,
            Received::Full => self.leave(state, Departure::Lagging),
            Received::TooLarge { bytes } => {
                let (limit, value) = (REVISION_BYTES_MAX as u64, bytes as u64);
                let field = "revision".to_owned();
                let kind = ErrorKind::TooLarge { field, limit, value };
                let message = format!("the events of revision {revision} are {value} bytes; the limit is {limit}");
                let error = Error::new(kind, Outcome::NotAMutation, message);
                self.leave(state, Departure::Refused(error))
            }
            Received::OutOfOrder { expected_after } => {
                let message = format!("revision {revision} came after revision {expected_after}");
                self.leave(state, Departure::Refused(protocol(message)))
            }
        }
    }

    /// The member, or the stream, is done with the watch of this id. It may be elsewhere by then, under another one.
    pub(super) fn left(&self, watch_id: u64, departure: Departure) {
        let mut state = self.state.lock();
        let is_there = matches!(state.phase, Phase::Asked { .. } | Phase::Served);
        if is_there && state.watch_id == watch_id {
            self.leave(&mut state, departure);
        }
    }

    fn leave(&self, state: &mut State, departure: Departure) -> bool {
        state.buffer.forget_partial();
        state.phase = Phase::Left(departure);
        self.follower.notify_one();
        false
    }
}

/// For the task that follows it.
impl Subscription {
    /// Returns when the member has it, or it is with that member no longer.
    pub(super) async fn answered(&self) {
        self.when(|state| (!matches!(state.phase, Phase::Asked { .. })).then_some(()))
            .await;
    }

    /// Returns when it is no longer with its member.
    pub(super) async fn departure(&self) -> Departure {
        let departed = |state: &mut State| match std::mem::replace(&mut state.phase, Phase::Nowhere) {
            Phase::Left(departure) => Some(departure),
            phase => {
                state.phase = phase;
                None
            }
        };
        self.when(departed).await
    }

    /// Returns when the consumer has taken enough that it can go on.
    pub(super) async fn drained(&self) {
        self.when(|state| state.buffer.is_drained().then_some(())).await;
    }

    async fn when<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            if let Some(found) = ready(&mut self.state.lock()) {
                return found;
            }
            self.follower.notified().await;
        }
    }

    /// It is over: the consumer is told after everything that came before.
    pub(super) fn end(&self, error: Error) {
        let mut state = self.state.lock();
        state.phase = Phase::Nowhere;
        state.end = End::Pending(error);
        let consumer = state.consumer.take();
        drop(state);
        self.opener.notify_one();
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }
}

/// For whoever opens it, and for its consumer.
impl Subscription {
    /// Returns when a member has it, or no member will.
    pub(super) async fn opened(&self) -> Result<()> {
        loop {
            {
                let mut state = self.state.lock();
                if state.origin.is_some() {
                    return Ok(());
                }
                if let End::Pending(_) = &state.end
                    && let End::Pending(error) = std::mem::replace(&mut state.end, End::Told)
                {
                    return Err(error);
                }
            }
            self.opener.notified().await;
        }
    }

    /// The next item; none after the end was told.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<Result<Yielded>>> {
        let mut state = self.state.lock();
        if let Some(taken) = state.buffer.take() {
            let waited_for = matches!(state.phase, Phase::Nowhere) && state.buffer.is_drained();
            let yielded = Yielded {
                taken,
                through: state.buffer.taken(),
                epoch: state.origin.map_or(0, |(_, epoch)| epoch),
            };
            drop(state);
            if waited_for {
                self.follower.notify_one();
            }
            return Poll::Ready(Some(Ok(yielded)));
        }
        match std::mem::replace(&mut state.end, End::Told) {
            End::Pending(error) => Poll::Ready(Some(Err(error))),
            End::Told => Poll::Ready(None),
            End::NotYet => {
                state.end = End::NotYet;
                match &mut state.consumer {
                    Some(consumer) => consumer.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

fn protocol(message: String) -> Error {
    Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Departure {
        Departure::Lost(protocol("lost".to_owned()))
    }

    #[test]
    fn a_stream_that_ends_late_says_nothing_of_the_stay_after_it() {
        let asked = Asked {
            create: v1::WatchCreate::default(),
            buffer_revisions: 8,
            fail_when_lagging: false,
        };
        let subscription = Subscription::new(asked, None);
        subscription.ask(1, 0);
        subscription.ask(2, 0);
        subscription.left(1, lost());
        let created = |revision| v1::WatchCreated {
            header: None,
            watch_id: 2,
            revision,
            lease_ms: 0,
        };
        assert!(subscription.created(&created(7)));
        subscription.left(1, lost());
        assert!(subscription.is_served());
        subscription.left(2, lost());
        assert!(!subscription.is_asked());
    }
}
