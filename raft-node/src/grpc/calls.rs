//! The stream: whatever calls are waiting in one message, whatever replies are ready in another.
//!
//! Invariants
//! * A stream has at most [`CALLS_PER_STREAM_MAX`] calls whose replies were not handed to the connection, refused ones
//!   included, and so many bytes of replies as [`Unread`] allows: a client that does not read is not read from.
//! * Replies that nobody reads take nothing of what the limits of calls and requests count.
//! * A call that holds a slot never waits for a call behind it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use prost::Message;
use quorate_proto::v1::calls_server::Calls;
use quorate_proto::v1::{Call, CallBatch, Error, ErrorCode, Reply, ReplyBatch, call, reply};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Permit, Stalled};
use super::api::Api;
use super::error::{self, invalid};
use super::followed::{Books, Caller, Followed};
use super::unread::{Unread, Waits, line_of};
use super::validate::ReadLevel;
use super::work::{Promise, Read, TIMEOUT_DEFAULT, TIMEOUT_MAX, Work, timed_out};
use super::{request, validate};
use crate::environment::{Clock, SystemClock};
use crate::request::Passage;

/// A message of replies is closed when it passes either.
const REPLIES_PER_MESSAGE_MAX: usize = 1024;
const REPLY_MESSAGE_BYTES: usize = 1 << 20;
/// Calls of one stream that were taken and whose replies are not yet on the connection. The limit of the member's calls
/// counts only those that it admits; this one counts those that it refuses, too.
const CALLS_PER_STREAM_MAX: usize = 4096;

/// The stream service.
pub struct CallsService(pub Arc<Api>);

/// A call that was taken, until its reply is made. Its slot goes on with the reply.
struct Taken {
    id: u64,
    followed: Followed,
    books: Arc<Books>,
    unread: Arc<Unread>,
    slot: OwnedSemaphorePermit,
    /// None for a call that was refused before it was work.
    permit: Option<Permit>,
}

/// A reply on its way to the connection.
struct Ready {
    reply: Reply,
    bytes: usize,
    _waits: Waits,
    _slot: OwnedSemaphorePermit,
}

#[tonic::async_trait]
impl Calls for CallsService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<ReplyBatch, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<CallBatch>>) -> Result<Response<Self::OpenStream>, Status> {
        let (ready, replies) = mpsc::unbounded_channel();
        let caller = Caller::of(request.metadata());
        let unread = self.0.unread.on(line_of(&request));
        let receiving = tokio::spawn(receive(
            Arc::clone(&self.0),
            caller,
            request.into_inner(),
            unread,
            ready,
        ));
        Ok(Response::new(Box::pin(packed(replies, receiving, pack))))
    }
}

/// What is ready, by `pack` in messages; at the end how `receiving` ended, if it failed.
pub(super) fn packed<R, B>(
    replies: mpsc::UnboundedReceiver<R>,
    receiving: JoinHandle<Result<(), Status>>,
    pack: impl Fn(R, &mut mpsc::UnboundedReceiver<R>) -> B + Copy + Send,
) -> impl Stream<Item = Result<B, Status>> + Send
where
    R: Send,
{
    futures::stream::unfold((replies, Some(receiving)), move |(mut replies, receiving)| async move {
        let Some(first) = replies.recv().await else {
            // Whatever came whole was answered before.
            let failed = receiving?.await.ok()?.err()?;
            return Some((Err(failed), (replies, None)));
        };
        Some((Ok(pack(first, &mut replies)), (replies, receiving)))
    })
}

/// Takes what is ready, without waiting for more.
fn pack(first: Ready, replies: &mut mpsc::UnboundedReceiver<Ready>) -> ReplyBatch {
    let mut bytes = first.bytes;
    let mut batch = vec![first.reply];
    while batch.len() < REPLIES_PER_MESSAGE_MAX && bytes < REPLY_MESSAGE_BYTES {
        let Ok(next) = replies.try_recv() else {
            break;
        };
        bytes += next.bytes;
        batch.push(next.reply);
    }
    ReplyBatch { replies: batch }
}

/// Ends when the client closes its side or the connection breaks; mutations in work go on, their replies go nowhere. What
/// is returned ends the stream, behind the replies of what came before.
async fn receive(
    api: Arc<Api>,
    caller: Caller,
    mut calls: Streaming<CallBatch>,
    unread: Arc<Unread>,
    ready: mpsc::UnboundedSender<Ready>,
) -> Result<(), Status> {
    let slots = Arc::new(Semaphore::new(CALLS_PER_STREAM_MAX));
    loop {
        let message = tokio::select! {
            message = calls.message() => message,
            () = ready.closed() => return Ok(()),
        };
        match message {
            Ok(Some(batch)) => dispatch(&api, caller, batch.calls, &slots, &unread, &ready).await?,
            Ok(None) => return Ok(()),
            Err(status) => {
                tracing::debug!(%status, "a client's stream ended");
                return Err(status);
            }
        }
    }
}

/// Takes the calls one by one, each when there is a slot for it and room for its reply; gives up the rest when others need
/// their room.
async fn dispatch(
    api: &Arc<Api>,
    caller: Caller,
    calls: Vec<Call>,
    slots: &Arc<Semaphore>,
    unread: &Arc<Unread>,
    ready: &mpsc::UnboundedSender<Ready>,
) -> Result<(), Status> {
    let mut strong = StrongReads::default();
    let mut calls = calls.into_iter();
    while let Some(call) = calls.next() {
        let stalled = || {
            let rest = calls.as_slice().iter().map(Message::encoded_len);
            api.admission.stall(rest.sum::<usize>() + call.encoded_len())
        };
        if !unread.has_room() {
            strong.start(api, ready);
            if !unless_pushed_out(stalled(), room(unread, ready)).await? {
                return Ok(());
            }
        }
        let slot = match Arc::clone(slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                // The reads gathered so far hold slots, perhaps all of them: they must not wait for this call.
                strong.start(api, ready);
                let Some(slot) = unless_pushed_out(stalled(), free_slot(slots, ready)).await? else {
                    return Ok(());
                };
                slot
            }
        };
        let may_wait = slots.available_permits() >= CALLS_PER_STREAM_MAX / 4;
        let taken = Taken {
            id: call.id,
            followed: Followed::new(call.request.as_ref(), caller, call.id),
            books: Arc::clone(&api.books),
            unread: Arc::clone(unread),
            slot,
            permit: None,
        };
        take(api, call, taken, may_wait, &mut strong, ready);
    }
    strong.start(api, ready);
    Ok(())
}

/// What `waiting` comes to, or that others need the room of what is stalled meanwhile.
pub(super) async fn unless_pushed_out<T>(stalled: Stalled, waiting: impl Future<Output = T>) -> Result<T, Status> {
    tokio::select! {
        waited = waiting => Ok(waited),
        status = stalled.pushed_out() => Err(status),
    }
}

/// Waits until the client has read replies; `None` when it is gone.
pub(super) async fn free_slot<R>(
    slots: &Arc<Semaphore>,
    ready: &mpsc::UnboundedSender<R>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
        () = ready.closed() => None,
    }
}

/// Waits until the client has read enough; false when it is gone.
pub(super) async fn room<R>(unread: &Unread, ready: &mpsc::UnboundedSender<R>) -> bool {
    tokio::select! {
        () = unread.room() => true,
        () = ready.closed() => false,
    }
}

fn take(
    api: &Arc<Api>,
    call: Call,
    mut taken: Taken,
    may_wait: bool,
    strong: &mut StrongReads,
    ready: &mpsc::UnboundedSender<Ready>,
) {
    let timeout = timeout_of(call.timeout_ms);
    let work = match admit(api, call) {
        Ok((work, permit)) => {
            taken.permit = Some(permit);
            work
        }
        Err(refused) => return send(ready, taken, reply::Response::Error(refused), Passage::AtOnce),
    };
    if matches!(work, Work::Await { .. }) {
        // It gives its place among the calls that work to another; what it waits for may be behind it in this stream.
        taken.permit = match taken
            .permit
            .take()
            .map(|permit| wait_permit(api, permit, may_wait))
            .transpose()
        {
            Ok(permit) => permit,
            Err(refused) => return send(ready, taken, reply::Response::Error(refused), Passage::AtOnce),
        };
    }
    match work {
        Work::Mutate { command, expected } => {
            let (api_then, ready) = (Arc::clone(api), ready.clone());
            api.proposer.submit(
                command,
                Box::new(move |result, passage| {
                    let hold = result.as_ref().ok().and_then(|reply| api_then.hold(reply));
                    let answer = api_then.mutated(expected, result);
                    match hold {
                        None => send(&ready, taken, answer, passage),
                        Some(hold) => drop(api_then.runtime.spawn(async move {
                            hold.over().await;
                            send(&ready, taken, answer, passage);
                        })),
                    }
                }),
            );
        }
        work @ (Work::Await { .. } | Work::KeepAlive(_)) => {
            let (api, ready) = (Arc::clone(api), ready.clone());
            tokio::spawn(async move {
                tokio::select! {
                    (answer, passage) = api.perform(work, timeout) => send(&ready, taken, answer, passage),
                    () = ready.closed() => {}
                }
            });
        }
        Work::Read(read) if api.ready_now(&read) => {
            let live = api.store.live();
            let answer = api.answer(&live.moment(), &read.query, api.local());
            send(ready, taken, answer, Passage::AtOnce);
        }
        Work::Read(read) if read.level == ReadLevel::Strong && api.has_applied(read.min_revision) => {
            strong.add(timeout, Waiting { taken, read });
        }
        Work::Read(read) => {
            let waiting = vec![Waiting { taken, read }];
            tokio::spawn(answer_together(Arc::clone(api), waiting, timeout, ready.clone()));
        }
    }
}

fn wait_permit(api: &Api, permit: Permit, may_wait: bool) -> Result<Permit, Error> {
    if may_wait {
        return permit.into_waiting(&api.waits);
    }
    Err(Error {
        limit: (CALLS_PER_STREAM_MAX - CALLS_PER_STREAM_MAX / 4) as u64,
        ..error::refused(
            ErrorCode::Overloaded,
            "too many calls of this stream wait already: use another connection for more",
        )
    })
}

fn timeout_of(timeout_ms: u64) -> Duration {
    match timeout_ms {
        0 => TIMEOUT_DEFAULT,
        asked => Duration::from_millis(asked).min(TIMEOUT_MAX),
    }
}

fn admit(api: &Api, call: Call) -> Result<(Work, Permit), Error> {
    let bytes = call.encoded_len();
    let permit = api.admission.admit(bytes)?;
    validate::request_size(&api.limits, bytes)?;
    let request: call::Request = call.request.ok_or_else(|| {
        invalid(
            "request",
            "the call is empty, or of a kind that this version does not know",
        )
    })?;
    let work = request::work(&api.limits, api.store.domains(), request)?;
    if let Work::Mutate { command, .. } = &work {
        api.check_room(command)?;
    }
    Ok((work, permit))
}

/// A read that waits, with what its reply needs.
struct Waiting {
    taken: Taken,
    read: Read,
}

/// Strong reads of one message, by time-out: few differ, and none waits longer than it asked to.
#[derive(Default)]
struct StrongReads(Vec<(Duration, Vec<Waiting>)>);

impl StrongReads {
    fn add(&mut self, timeout: Duration, waiting: Waiting) {
        match self.0.iter_mut().find(|(of_group, _)| *of_group == timeout) {
            Some((_, group)) => group.push(waiting),
            None => self.0.push((timeout, vec![waiting])),
        }
    }

    /// Begins to answer what was gathered, and forgets it.
    fn start(&mut self, api: &Arc<Api>, ready: &mpsc::UnboundedSender<Ready>) {
        for (timeout, waiting) in self.0.drain(..) {
            tokio::spawn(answer_together(Arc::clone(api), waiting, timeout, ready.clone()));
        }
    }
}

/// Reads of one message, one level and one time-out share a round and a view. They end when the client is gone. Where there is
/// no room for all their answers, the rest is as new as when there is.
async fn answer_together(api: Arc<Api>, waiting: Vec<Waiting>, timeout: Duration, ready: mpsc::UnboundedSender<Ready>) {
    let mut waiting = VecDeque::from(waiting);
    while let Some(first) = waiting.front() {
        if !room(&first.taken.unread, &ready).await {
            return;
        }
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(timeout, api.ready(first.read.level, first.read.min_revision)) => outcome,
            () = ready.closed() => return,
        };
        let failed = match outcome {
            Ok(Ok(promise)) => {
                answer_those_with_room(&api, &mut waiting, promise, &ready);
                continue;
            }
            Ok(Err(failed)) => error::read(&failed),
            Err(_) => timed_out(timeout),
        };
        for Waiting { taken, .. } in waiting.drain(..) {
            send(&ready, taken, reply::Response::Error(failed.clone()), Passage::AtOnce);
        }
    }
}

/// One at least.
fn answer_those_with_room(
    api: &Api,
    waiting: &mut VecDeque<Waiting>,
    promise: Promise,
    ready: &mpsc::UnboundedSender<Ready>,
) {
    let passage = Passage::Read {
        ready: SystemClock.monotonic(),
    };
    let live = api.store.live();
    let moment = live.moment();
    while let Some(Waiting { taken, read }) = waiting.pop_front() {
        send(ready, taken, api.answer(&moment, &read.query, promise), passage);
        if waiting.front().is_some_and(|next| !next.taken.unread.has_room()) {
            return;
        }
    }
}

/// The client may be gone; then nobody wants the reply. From now on it counts as unread, with what it takes besides its bytes:
/// there may be many that are small.
fn send(ready: &mpsc::UnboundedSender<Ready>, taken: Taken, response: reply::Response, passage: Passage) {
    let refused = match &response {
        reply::Response::Error(refused) => Some(refused),
        _ => None,
    };
    taken.followed.answered(&taken.books, refused, passage);
    let reply = Reply {
        id: taken.id,
        response: Some(response),
    };
    let bytes = reply.encoded_len();
    let _ = ready.send(Ready {
        reply,
        bytes,
        _waits: taken.unread.add((bytes + size_of::<Ready>()) as u64),
        _slot: taken.slot,
    });
}

#[cfg(test)]
mod tests {
    use super::super::unread::UnreadAnswers;
    use super::*;
    use crate::consensus::network::Line;
    use crate::request::{EntryTimes, Requests};

    fn taken(id: u64, slots: &Arc<Semaphore>) -> Taken {
        let requests = Requests::new(Box::new(|| 1), Arc::<EntryTimes>::default(), 0);
        Taken {
            id,
            followed: Followed::new(None, Caller::of(&tonic::metadata::MetadataMap::new()), id),
            books: Arc::new(Books::new(Arc::new(requests))),
            unread: UnreadAnswers::new(1 << 20).on(Line::default()),
            slot: Arc::clone(slots).try_acquire_owned().unwrap(),
            permit: None,
        }
    }

    fn refusal() -> reply::Response {
        reply::Response::Error(invalid("request", "the call is empty"))
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_slot_until_it_is_packed() {
        let slots = Arc::new(Semaphore::new(2));
        let (ready, mut replies) = mpsc::unbounded_channel();
        send(&ready, taken(1, &slots), refusal(), Passage::AtOnce);
        send(&ready, taken(2, &slots), refusal(), Passage::AtOnce);
        assert_eq!(slots.available_permits(), 0);
        let first = replies.recv().await.unwrap();
        assert_eq!(pack(first, &mut replies).replies.len(), 2);
        assert_eq!(slots.available_permits(), 2);
    }

    #[tokio::test]
    async fn waiting_for_a_slot_ends_when_a_reply_leaves_or_the_client_does() {
        let slots = Arc::new(Semaphore::new(1));
        let (ready, mut replies) = mpsc::unbounded_channel();
        send(&ready, taken(1, &slots), refusal(), Passage::AtOnce);
        let read = async {
            let first = replies.recv().await.unwrap();
            pack(first, &mut replies)
        };
        let (slot, _) = tokio::join!(free_slot(&slots, &ready), read);
        assert!(slot.is_some());
        drop(replies);
        assert!(free_slot(&slots, &ready).await.is_none());
    }

    #[test]
    fn reads_are_grouped_by_time_out() {
        let slots = Arc::new(Semaphore::new(3));
        let mut strong = StrongReads::default();
        for (id, timeout_ms) in [(1, 5), (2, 70_000), (3, 5)] {
            let read = Read {
                level: ReadLevel::Strong,
                min_revision: crate::types::Revision(0),
                query: super::super::work::Query::Get {
                    domain: validate::DEFAULT_DOMAIN.to_owned(),
                    key: b"k".to_vec(),
                    revision: None,
                },
            };
            let taken = taken(id, &slots);
            strong.add(timeout_of(timeout_ms), Waiting { taken, read });
        }
        let groups: Vec<(Duration, usize)> = strong
            .0
            .iter()
            .map(|(timeout, group)| (*timeout, group.len()))
            .collect();
        assert_eq!(groups, [(Duration::from_millis(5), 2), (TIMEOUT_MAX, 1)]);
    }
}
