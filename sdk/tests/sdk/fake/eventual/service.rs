//! The service of a fake member's eventual tier, with a script of how each next call goes wrong.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use prost::Message;
use quorate_proto::eventual::eventual_call::Request;
use quorate_proto::v1;
use quorate_proto::v1::eventual_reply::Response;
use quorate_proto::v1::eventual_server::Eventual;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::EventualStore;
use crate::fake::Behaviour;
use crate::fake::member::{Service, Shared};

/// What a member has of the tier.
pub struct EventualPart {
    pub store: Mutex<EventualStore>,
    pub script: Mutex<VecDeque<Behaviour>>,
    /// While set, no stream is opened.
    pub refuse_open: Mutex<Option<Status>>,
    pub messages: AtomicU64,
    pub calls: AtomicU64,
}

impl EventualPart {
    pub fn new(process: u64) -> Self {
        Self {
            store: Mutex::new(EventualStore::new(process)),
            script: Mutex::default(),
            refuse_open: Mutex::default(),
            messages: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    fn execute(&self, request: Request) -> Response {
        let mut store = self.store.lock();
        let answer = match request {
            Request::Write(write) => {
                let write = v1::EventualWriteRequest::decode(write).expect("the client encodes what it asks");
                Ok(Response::Write(store.write(write)))
            }
            Request::Read(read) => store.read(read).map(Response::Read),
            Request::Scan(scan) => store.scan(scan).map(Response::Scan),
        };
        answer.unwrap_or_else(|error| Response::Error(*error))
    }
}

/// What a stream does with a call.
#[expect(clippy::large_enum_variant, reason = "lives for a moment on the stack")]
enum Fate {
    Reply(Response, Duration),
    Forget,
    Break,
}

type Replies = mpsc::Sender<Result<v1::EventualReplies, Status>>;

impl Shared {
    fn decide_eventual(&self, request: Request) -> Fate {
        let part = &self.eventual;
        let behaviour = part.script.lock().pop_front();
        match behaviour {
            None => Fate::Reply(part.execute(request), Duration::ZERO),
            Some(Behaviour::Delay(delay)) => Fate::Reply(part.execute(request), delay),
            Some(Behaviour::ApplyThenForget) => {
                part.execute(request);
                Fate::Forget
            }
            Some(Behaviour::ApplyThenBreak) => {
                part.execute(request);
                Fate::Break
            }
            Some(Behaviour::Break) => Fate::Break,
            Some(Behaviour::Refuse(error)) => Fate::Reply(Response::Error(error), Duration::ZERO),
        }
    }

    fn count_eventual(&self, calls: &v1::EventualCalls) {
        self.eventual.messages.fetch_add(1, Ordering::SeqCst);
        self.eventual
            .calls
            .fetch_add(calls.calls.len() as u64, Ordering::SeqCst);
    }

    async fn serve_eventual(self: Arc<Self>, mut calls: tonic::Streaming<v1::EventualCalls>, replies: Replies) {
        let hello = v1::EventualReplies {
            hello: Some(self.eventual.store.lock().header()),
            replies: Vec::new(),
        };
        if replies.send(Ok(hello)).await.is_err() {
            return;
        }
        let mut held = self.held.subscribe();
        while let Ok(Some(mut batch)) = calls.message().await {
            self.count_eventual(&batch);
            while *held.borrow_and_update() {
                tokio::select! {
                    changed = held.changed() => changed.unwrap(),
                    message = calls.message() => {
                        let Ok(Some(more)) = message else { return };
                        self.count_eventual(&more);
                        batch.calls.extend(more.calls);
                    }
                }
            }
            let mut ready = Vec::new();
            for call in batch.calls {
                let reply = |response| v1::EventualReply {
                    id: call.id,
                    response: Some(response),
                };
                match self.decide_eventual(call.request.unwrap()) {
                    Fate::Reply(response, Duration::ZERO) => ready.push(reply(response)),
                    Fate::Reply(response, delay) => {
                        let (replies, reply) = (replies.clone(), reply(response));
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            let _ = replies.send(Ok(replies_of(vec![reply]))).await;
                        });
                    }
                    Fate::Forget => {}
                    Fate::Break => return,
                }
            }
            if replies.send(Ok(replies_of(ready))).await.is_err() {
                return;
            }
        }
    }
}

fn replies_of(replies: Vec<v1::EventualReply>) -> v1::EventualReplies {
    v1::EventualReplies { hello: None, replies }
}

type Answer<T> = Result<tonic::Response<T>, Status>;

#[tonic::async_trait]
impl Eventual for Service {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::EventualReplies, Status>> + Send>>;

    async fn open(&self, request: tonic::Request<tonic::Streaming<v1::EventualCalls>>) -> Answer<Self::OpenStream> {
        if let Some(status) = self.0.eventual.refuse_open.lock().clone() {
            return Err(status);
        }
        let (replies, outgoing) = mpsc::channel(64);
        let shared = Arc::clone(&self.0);
        let mut broken = shared.broken.subscribe();
        tokio::spawn(async move {
            let breaking = replies.clone();
            tokio::select! {
                () = shared.serve_eventual(request.into_inner(), replies) => {}
                _ = broken.changed() => {}
            }
            let _ = breaking.send(Err(Status::unavailable("broken by the script"))).await;
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }

    async fn write(&self, _: tonic::Request<v1::EventualWriteRequest>) -> Answer<v1::EventualWriteResponse> {
        Err(Status::unimplemented("the client writes on the stream"))
    }

    async fn read(&self, _: tonic::Request<v1::EventualReadRequest>) -> Answer<v1::EventualReadResponse> {
        Err(Status::unimplemented("the client reads on the stream"))
    }

    async fn scan(&self, _: tonic::Request<v1::EventualScanRequest>) -> Answer<v1::EventualScanResponse> {
        Err(Status::unimplemented("the client scans on the stream"))
    }

    async fn sync_status(&self, _: tonic::Request<v1::SyncStatusRequest>) -> Answer<v1::SyncStatusResponse> {
        let store = self.0.eventual.store.lock();
        Ok(tonic::Response::new(v1::SyncStatusResponse {
            header: Some(store.header()),
            age_ms: store.age_ms,
            peers: vec![v1::PeerSync {
                member_id: 2,
                connected: true,
                behind_ms: Some(4),
                ..Default::default()
            }],
            unsent_operations: store.applied,
            caught_up: true,
            ..Default::default()
        }))
    }

    async fn sync_force(&self, request: tonic::Request<v1::SyncForceRequest>) -> Answer<v1::SyncForceResponse> {
        let header = Some(self.0.eventual.store.lock().header());
        let peers = vec![v1::PeerSync {
            member_id: 2,
            behind_ms: Some(request.into_inner().timeout_ms),
            ..Default::default()
        }];
        Ok(tonic::Response::new(v1::SyncForceResponse { header, peers }))
    }

    async fn memory(&self, request: tonic::Request<v1::MemoryRequest>) -> Answer<v1::MemoryResponse> {
        let mut members = vec![v1::MemberMemory {
            member_id: 1,
            domains: vec![v1::DomainMemory {
                domain: "default-eventual".to_owned(),
                entries: 3,
                ..Default::default()
            }],
            ..Default::default()
        }];
        if request.into_inner().cluster {
            members.push(v1::MemberMemory {
                member_id: 2,
                unreachable: "no route".to_owned(),
                ..Default::default()
            });
        }
        let header = Some(self.0.eventual.store.lock().header());
        Ok(tonic::Response::new(v1::MemoryResponse { header, members }))
    }
}
