//! The stream: whatever calls are waiting in one message, whatever replies are ready in another.
//!
//! Invariants
//! * What does not wait is done where it is taken, so calls of one stream are done in their order.
//! * A stream has at most [`REPLIES_PER_STREAM_MAX`] calls whose replies were not handed to the connection: a client that does
//!   not read is not read from. The same goes for the bytes of replies, see [`Unread`].

use std::sync::Arc;

use futures::{Stream, StreamExt};
use prost::Message;
use quorate_proto::eventual::{EventualCall, eventual_call};
use quorate_proto::v1::{Error, EventualCalls, EventualReplies, EventualReply, eventual_reply};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Status, Streaming};

use super::asked::{self, WriteAsked};
use crate::grpc::admission::Permit;
use crate::grpc::api::Api;
use crate::grpc::calls::{free_slot, packed, room, unless_pushed_out};
use crate::grpc::counted::Began;
use crate::grpc::error::invalid;
use crate::grpc::followed::{Books, Caller, Followed};
use crate::grpc::unread::{Unread, Waits};
use crate::grpc::validate;
use crate::metrics::Method;
use crate::request::Passage;

/// Calls of one stream whose replies are not yet on the connection.
const REPLIES_PER_STREAM_MAX: usize = 4096;
/// A message of replies is closed when it passes either.
const REPLIES_PER_MESSAGE_MAX: usize = 1024;
const MESSAGE_BYTES: usize = 1 << 20;

/// A reply on its way to the connection.
struct Ready {
    reply: EventualReply,
    bytes: usize,
    _waits: Waits,
    _slot: OwnedSemaphorePermit,
}

/// Takes calls until the client closes its side or the connection breaks; gives the replies, behind a hello.
pub(super) fn open(
    api: Arc<Api>,
    caller: Caller,
    calls: Streaming<EventualCalls>,
    unread: Arc<Unread>,
) -> impl Stream<Item = Result<EventualReplies, Status>> + Send {
    let (ready, replies) = mpsc::unbounded_channel();
    let hello = EventualReplies {
        hello: Some(api.eventual_header()),
        replies: Vec::new(),
    };
    let receiving = tokio::spawn(receive(api, caller, calls, unread, ready));
    futures::stream::once(futures::future::ready(Ok(hello))).chain(packed(replies, receiving, pack))
}

/// Takes what is ready, without waiting for more.
fn pack(first: Ready, replies: &mut mpsc::UnboundedReceiver<Ready>) -> EventualReplies {
    let mut bytes = first.bytes;
    let mut batch = vec![first.reply];
    while batch.len() < REPLIES_PER_MESSAGE_MAX && bytes < MESSAGE_BYTES {
        let Ok(next) = replies.try_recv() else {
            break;
        };
        bytes += next.bytes;
        batch.push(next.reply);
    }
    EventualReplies {
        hello: None,
        replies: batch,
    }
}

/// What is returned ends the stream, behind the replies of what came before.
async fn receive(
    api: Arc<Api>,
    caller: Caller,
    mut calls: Streaming<EventualCalls>,
    unread: Arc<Unread>,
    ready: mpsc::UnboundedSender<Ready>,
) -> Result<(), Status> {
    let slots = Arc::new(Semaphore::new(REPLIES_PER_STREAM_MAX));
    loop {
        let message = tokio::select! {
            message = calls.message() => message,
            () = ready.closed() => return Ok(()),
        };
        match message {
            Ok(Some(batch)) => {
                let mut calls = batch.calls.into_iter();
                while let Some(call) = calls.next() {
                    let stalled = || {
                        let rest = calls.as_slice().iter().map(Message::encoded_len);
                        api.admission.stall(rest.sum::<usize>() + call.encoded_len())
                    };
                    if !unread.has_room() && !unless_pushed_out(stalled(), room(&unread, &ready)).await? {
                        return Ok(());
                    }
                    let slot = match Arc::clone(&slots).try_acquire_owned() {
                        Ok(slot) => Some(slot),
                        Err(_) => unless_pushed_out(stalled(), free_slot(&slots, &ready)).await?,
                    };
                    let Some(slot) = slot else { return Ok(()) };
                    take(&api, caller, call, slot, &unread, &ready);
                }
                tokio::task::consume_budget().await;
            }
            Ok(None) => return Ok(()),
            Err(status) => {
                tracing::debug!(%status, "a client's stream ended");
                return Err(status);
            }
        }
    }
}

/// Does a call, or begins to wait for what it asked to wait for.
fn take(
    api: &Arc<Api>,
    caller: Caller,
    call: EventualCall,
    slot: OwnedSemaphorePermit,
    unread: &Arc<Unread>,
    ready: &mpsc::UnboundedSender<Ready>,
) {
    use eventual_reply::Response;
    let id = call.id;
    let reply = Reply {
        id,
        followed: Followed::of(Began::now(method_of(&call)), caller, id),
        books: Arc::clone(&api.books),
        slot,
        unread: Arc::clone(unread),
        ready: ready.clone(),
    };
    let bytes = call.encoded_len();
    let begun = api
        .admission
        .admit(bytes)
        .and_then(|permit| begin(api, call, bytes, permit));
    match begun {
        Ok(Begun::Done(response)) => reply.send(response),
        Ok(Begun::Waits(permit, waiting)) => {
            let gone = ready.clone();
            tokio::spawn(async move {
                tokio::select! {
                    response = waiting => {
                        drop(permit);
                        reply.send(response);
                    }
                    () = gone.closed() => {}
                }
            });
        }
        Err(refused) => reply.send(Response::Error(refused)),
    }
}

struct Reply {
    id: u64,
    followed: Followed,
    books: Arc<Books>,
    slot: OwnedSemaphorePermit,
    unread: Arc<Unread>,
    ready: mpsc::UnboundedSender<Ready>,
}

impl Reply {
    /// The client may be gone; then nobody wants it. From now on it counts as unread, with what it takes besides its bytes.
    fn send(self, response: eventual_reply::Response) {
        let refused = match &response {
            eventual_reply::Response::Error(refused) => Some(refused),
            _ => None,
        };
        self.followed.answered(&self.books, refused, Passage::AtOnce);
        let reply = EventualReply {
            id: self.id,
            response: Some(response),
        };
        let bytes = reply.encoded_len();
        let _ = self.ready.send(Ready {
            reply,
            bytes,
            _waits: self.unread.add((bytes + size_of::<Ready>()) as u64),
            _slot: self.slot,
        });
    }
}

/// The method that a call of the stream stands for.
fn method_of(call: &EventualCall) -> Method {
    match call.request {
        Some(eventual_call::Request::Write(_)) => Method::EventualWrite,
        Some(eventual_call::Request::Read(_)) => Method::EventualRead,
        Some(eventual_call::Request::Scan(_)) => Method::EventualScan,
        None => Method::Other,
    }
}

#[allow(
    clippy::large_enum_variant,
    reason = "it is made and taken apart at once, and most of them are done"
)]
enum Begun {
    Done(eventual_reply::Response),
    Waits(Permit, futures::future::BoxFuture<'static, eventual_reply::Response>),
}

fn begin(api: &Arc<Api>, call: EventualCall, bytes: usize, permit: Permit) -> Result<Begun, Error> {
    use eventual_call::Request;
    use eventual_reply::Response;
    validate::request_size(&api.limits, bytes)?;
    let request = call.request.ok_or_else(|| {
        invalid(
            "request",
            "the call is empty, or of a kind that this version does not know",
        )
    })?;
    let later = Arc::clone(api);
    Ok(match request {
        Request::Write(bytes) => {
            let decoded;
            let asked = match WriteAsked::of_puts(&bytes) {
                Some(asked) => asked,
                None => {
                    decoded = asked::decode(bytes.clone())?;
                    WriteAsked::of(&decoded)
                }
            };
            // Before it is done, so that a refusal says that nothing was.
            let permit = match asked.acks > 1 {
                true => permit.into_waiting(&api.waits)?,
                false => permit,
            };
            let written = api.write(&asked)?;
            match written.waits() {
                true => Begun::Waits(
                    permit,
                    Box::pin(async move { Response::Write(later.acknowledge(written).await) }),
                ),
                false => Begun::Done(Response::Write(api.answer_write(written, 1, None))),
            }
        }
        Request::Read(request) => {
            let read = api.check_read(request)?;
            if read.promise.is_plain() {
                return api
                    .read_now(&read)
                    .map(|response| Begun::Done(Response::Read(response)));
            }
            let reading = async move { later.read_keys(read).await.map_or_else(Response::Error, Response::Read) };
            Begun::Waits(permit.into_waiting(&api.waits)?, Box::pin(reading))
        }
        Request::Scan(request) => {
            let scan = api.check_scan(&request)?;
            if scan.promise.is_plain() {
                return api
                    .scan_now(&scan)
                    .map(|response| Begun::Done(Response::Scan(response)));
            }
            let scanning = async move { later.scan(scan).await.map_or_else(Response::Error, Response::Scan) };
            Begun::Waits(permit.into_waiting(&api.waits)?, Box::pin(scanning))
        }
    })
}
