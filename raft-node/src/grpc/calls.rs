//! The stream: whatever calls are waiting in one message, whatever replies are ready in another.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use prost::Message;
use quorate_proto::v1::calls_server::Calls;
use quorate_proto::v1::{Call, CallBatch, Error, Reply, ReplyBatch, call, reply};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::admission::Permit;
use super::api::Api;
use super::error::{self, invalid};
use super::validate::ReadLevel;
use super::work::{Read, TIMEOUT_DEFAULT, Work, timed_out};
use super::{request, validate};

/// A message of replies is closed when it passes either.
const REPLIES_PER_MESSAGE_MAX: usize = 1024;
const REPLY_MESSAGE_BYTES: usize = 1 << 20;

/// The stream service.
pub struct CallsService(pub Arc<Api>);

/// A reply on its way to the connection. The permit goes with it, so that replies nobody reads are counted.
type Ready = (Reply, Option<Permit>);

#[tonic::async_trait]
impl Calls for CallsService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<ReplyBatch, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<CallBatch>>) -> Result<Response<Self::OpenStream>, Status> {
        let (ready, replies) = mpsc::unbounded_channel();
        tokio::spawn(receive(Arc::clone(&self.0), request.into_inner(), ready));
        let batches = futures::stream::unfold(replies, |mut replies| async move {
            let first = replies.recv().await?;
            Some((Ok(pack(first, &mut replies)), replies))
        });
        Ok(Response::new(Box::pin(batches)))
    }
}

/// Takes what is ready, without waiting for more.
fn pack(first: Ready, replies: &mut mpsc::UnboundedReceiver<Ready>) -> ReplyBatch {
    let mut bytes = first.0.encoded_len();
    let mut batch = vec![first.0];
    while batch.len() < REPLIES_PER_MESSAGE_MAX && bytes < REPLY_MESSAGE_BYTES {
        let Ok((reply, _permit)) = replies.try_recv() else {
            break;
        };
        bytes += reply.encoded_len();
        batch.push(reply);
    }
    ReplyBatch { replies: batch }
}

/// Ends when the client closes its side or the connection breaks; calls in work go on, their replies go nowhere.
async fn receive(api: Arc<Api>, mut calls: Streaming<CallBatch>, ready: mpsc::UnboundedSender<Ready>) {
    loop {
        match calls.message().await {
            Ok(Some(batch)) => dispatch(&api, batch.calls, &ready),
            Ok(None) => return,
            Err(status) => {
                tracing::debug!(%status, "a client's stream ended");
                return;
            }
        }
    }
}

/// A read that waits, with what its reply needs.
struct Waiting {
    id: u64,
    read: Read,
    permit: Permit,
}

fn dispatch(api: &Arc<Api>, calls: Vec<Call>, ready: &mpsc::UnboundedSender<Ready>) {
    let mut strong = Vec::new();
    let mut timeout = Duration::ZERO;
    for call in calls {
        let id = call.id;
        let wait = if call.timeout_ms == 0 {
            TIMEOUT_DEFAULT
        } else {
            Duration::from_millis(call.timeout_ms)
        };
        match admit(api, call) {
            Err(refused) => send(ready, id, reply::Response::Error(refused), None),
            Ok((Work::Mutate { command, expected }, permit)) => {
                let (api_then, ready) = (Arc::clone(api), ready.clone());
                api.proposer.submit(
                    command,
                    Box::new(move |result| {
                        let answer = api_then.mutated(expected, result);
                        send(&ready, id, answer, Some(permit));
                    }),
                );
            }
            Ok((Work::Read(read), permit)) if api.ready_now(&read) => {
                let engine = api.store.engine();
                let answer = api.answer(engine.view().as_ref(), &read.query, Duration::ZERO);
                send(ready, id, answer, Some(permit));
            }
            Ok((Work::Read(read), permit)) if read.level == ReadLevel::Strong && read.min_revision.0 == 0 => {
                timeout = timeout.max(wait);
                strong.push(Waiting { id, read, permit });
            }
            Ok((Work::Read(read), permit)) => {
                tokio::spawn(answer_together(
                    Arc::clone(api),
                    vec![Waiting { id, read, permit }],
                    wait,
                    ready.clone(),
                ));
            }
        }
    }
    if !strong.is_empty() {
        tokio::spawn(answer_together(Arc::clone(api), strong, timeout, ready.clone()));
    }
}

fn admit(api: &Api, call: Call) -> Result<(Work, Permit), Error> {
    let permit = api.admission.admit()?;
    validate::request_size(&api.limits, call.encoded_len())?;
    let request: call::Request = call.request.ok_or_else(|| {
        invalid(
            "request",
            "the call is empty, or of a kind that this version does not know",
        )
    })?;
    let work = request::work(&api.limits, request)?;
    if let Work::Mutate { command, .. } = &work {
        api.check_space(command)?;
    }
    Ok((work, permit))
}

/// Reads of one message and one level share a round and a view.
async fn answer_together(api: Arc<Api>, waiting: Vec<Waiting>, timeout: Duration, ready: mpsc::UnboundedSender<Ready>) {
    let Some(first) = waiting.first() else { return };
    let outcome = tokio::time::timeout(timeout, api.ready(first.read.level, first.read.min_revision)).await;
    let failed = match outcome {
        Ok(Ok(staleness)) => {
            let engine = api.store.engine();
            let view = engine.view();
            for Waiting { id, read, permit } in waiting {
                send(
                    &ready,
                    id,
                    api.answer(view.as_ref(), &read.query, staleness),
                    Some(permit),
                );
            }
            return;
        }
        Ok(Err(failed)) => error::read(&failed),
        Err(_) => timed_out(timeout),
    };
    for Waiting { id, permit, .. } in waiting {
        send(&ready, id, reply::Response::Error(failed.clone()), Some(permit));
    }
}

/// The client may be gone; then nobody wants the reply.
fn send(ready: &mpsc::UnboundedSender<Ready>, id: u64, response: reply::Response, permit: Option<Permit>) {
    let _ = ready.send((
        Reply {
            id,
            response: Some(response),
        },
        permit,
    ));
}
