//! A member: a listener on loopback, a stream of calls, and a script.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use quorate::Client;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::calls_server::{Calls, CallsServer};
use quorate_proto::v1::cluster_server::ClusterServer;
use quorate_proto::v1::eventual_server::EventualServer;
use quorate_proto::v1::reply::Response;
use quorate_proto::v1::watch_server::WatchServer;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};

use super::Store;
use super::eventual::{EventualPart, EventualStore};
use super::watch::WatchScript;

/// What happens to one call, registrations left out.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// It is applied, and the stream breaks before the reply.
    ApplyThenBreak,
    /// The stream breaks before it is applied.
    Break,
    /// It is applied, and the reply never comes.
    ApplyThenForget,
    /// It is applied, and the reply comes that much later.
    Delay(Duration),
    /// It is refused.
    Refuse(v1::Error),
}

/// An error reply.
pub fn error(code: v1::ErrorCode, outcome: v1::Outcome) -> Response {
    let message = format!("refused by the script: {code:?}");
    Response::Error(v1::Error {
        code: code.into(),
        outcome: outcome.into(),
        message,
        ..Default::default()
    })
}

/// Members that share a store; one of them leads.
pub struct FakeCluster {
    pub store: Arc<Mutex<Store>>,
    pub members: Vec<FakeMember>,
    leader: Arc<AtomicUsize>,
}

/// One member.
pub struct FakeMember {
    pub address: String,
    pub shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What a member's tasks share.
pub struct Shared {
    pub index: usize,
    pub addresses: Arc<Mutex<Vec<String>>>,
    pub store: Arc<Mutex<Store>>,
    pub leader: Arc<AtomicUsize>,
    script: Mutex<VecDeque<Behaviour>>,
    /// Messages and calls that came in.
    pub messages: AtomicU64,
    pub calls: AtomicU64,
    /// Streams of calls that were opened.
    pub streams: AtomicU64,
    /// Replies sent after a delay.
    late_replies: AtomicU64,
    /// While true, calls are taken in and nothing is answered.
    pub held: watch::Sender<bool>,
    /// Counts the times that all streams were broken.
    pub broken: watch::Sender<u64>,
    /// How it serves watches, and what it was asked.
    pub watches: Mutex<WatchScript>,
    /// What caches are to drop, with the id of the invalidation.
    pub invalidations: broadcast::Sender<(u64, v1::CacheSelector)>,
    /// What it has of the eventual tier.
    pub eventual: EventualPart,
}

impl FakeCluster {
    /// Starts `count` members; the first one leads.
    pub async fn start(count: usize) -> Self {
        let store = Arc::new(Mutex::new(Store::default()));
        let leader = Arc::new(AtomicUsize::new(0));
        let addresses = Arc::new(Mutex::new(Vec::new()));
        let mut members = Vec::new();
        for index in 0..count {
            let shared = Arc::new(Shared {
                index,
                addresses: Arc::clone(&addresses),
                store: Arc::clone(&store),
                leader: Arc::clone(&leader),
                script: Mutex::default(),
                messages: AtomicU64::new(0),
                calls: AtomicU64::new(0),
                streams: AtomicU64::new(0),
                late_replies: AtomicU64::new(0),
                held: watch::Sender::new(false),
                broken: watch::Sender::new(0),
                watches: Mutex::default(),
                invalidations: broadcast::Sender::new(64),
                // The last two digits are the member; each of its processes is 100 more than the one before.
                eventual: EventualPart::new(101 + index as u64),
            });
            let member = FakeMember::start(shared).await;
            addresses.lock().push(member.address.clone());
            members.push(member);
        }
        Self { store, members, leader }
    }

    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address.clone()).collect()
    }

    pub async fn client(&self) -> Client {
        Client::builder()
            .endpoints(self.addresses())
            .name("test")
            .connect()
            .await
            .unwrap()
    }

    /// Every member takes over what each other has done in the eventual tier.
    pub fn replicate(&self) {
        for (from, to) in (0..self.members.len()).flat_map(|from| (0..self.members.len()).map(move |to| (from, to))) {
            if from != to {
                let other = self.members[from].shared.eventual.store.lock();
                self.members[to].shared.eventual.store.lock().learn_from(&other);
            }
        }
    }

    pub fn lead(&self, index: usize) {
        self.leader.store(index, Ordering::SeqCst);
    }
}

impl FakeMember {
    async fn start(shared: Arc<Shared>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tonic::transport::Server::builder()
            .add_service(CallsServer::new(Service(Arc::clone(&shared))))
            .add_service(ClusterServer::new(Service(Arc::clone(&shared))))
            .add_service(EventualServer::new(Service(Arc::clone(&shared))))
            .add_service(WatchServer::new(Service(Arc::clone(&shared))))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move {
            server.await.unwrap();
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// What happens to the next calls, one entry each; afterwards they go well.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.script.lock().extend(behaviours);
    }

    /// As [`script`](Self::script), of the calls of the eventual tier.
    pub fn script_eventual(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.eventual.script.lock().extend(behaviours);
    }

    /// What it has of the eventual tier.
    pub fn eventual(&self) -> parking_lot::MutexGuard<'_, EventualStore> {
        self.shared.eventual.store.lock()
    }

    /// Its process is another one from now on, with nothing in memory; its streams are left to the test.
    pub fn restart_eventual(&self) {
        let mut store = self.eventual();
        *store = EventualStore::new(store.process + 100);
    }

    /// Messages and calls of the eventual tier that came in.
    pub fn eventual_traffic(&self) -> (u64, u64) {
        let part = &self.shared.eventual;
        (part.messages.load(Ordering::SeqCst), part.calls.load(Ordering::SeqCst))
    }

    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    pub fn break_streams(&self) {
        self.shared.broken.send_modify(|times| *times += 1);
    }

    /// Nothing listens at its address any more, and its streams break.
    pub async fn kill(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.break_streams();
    }

    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::SeqCst)
    }

    pub fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::SeqCst)
    }

    /// Returns once that many calls have come in.
    pub async fn has_calls(&self, count: u64) {
        reaches(&self.shared.calls, count, "calls came in").await;
    }

    /// Returns once that many replies were sent after their delay.
    pub async fn has_late_replies(&self, count: u64) {
        reaches(&self.shared.late_replies, count, "replies were sent late").await;
    }
}

async fn reaches(counter: &AtomicU64, count: u64, what: &str) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while counter.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{} {what}, {count} were expected", counter.load(Ordering::SeqCst)));
}

impl Drop for FakeMember {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The services of a member.
pub struct Service(pub Arc<Shared>);

/// What a stream does with a call.
#[expect(clippy::large_enum_variant, reason = "lives for a moment on the stack")]
enum Fate {
    Reply(Response, Duration),
    Forget,
    Break,
}

impl Shared {
    pub fn leads(&self) -> bool {
        self.leader.load(Ordering::SeqCst) == self.index
    }

    pub fn not_leader(&self) -> v1::Error {
        let leader = self.leader.load(Ordering::SeqCst);
        let client_address = self.addresses.lock().get(leader).cloned().unwrap_or_default();
        let mut error = v1::Error {
            message: "not the leader".to_owned(),
            ..Default::default()
        };
        error.set_code(v1::ErrorCode::NotLeader);
        error.set_outcome(v1::Outcome::NotApplied);
        error.leader_hint = Some(v1::MemberAddress {
            member_id: leader as u64 + 1,
            client_address,
        });
        error
    }

    fn decide(&self, request: Request) -> Fate {
        let registers = matches!(request, Request::RegisterClient(_));
        let behaviour = if registers {
            None
        } else {
            self.script.lock().pop_front()
        };
        let reads_anywhere = match &request {
            Request::Get(get) => get.read.unwrap_or_default().level() == v1::Level::Local,
            _ => false,
        };
        if !self.leads() && !reads_anywhere {
            return Fate::Reply(Response::Error(self.not_leader()), Duration::ZERO);
        }
        match behaviour {
            None => Fate::Reply(self.store.lock().execute(request), Duration::ZERO),
            Some(Behaviour::Delay(delay)) => Fate::Reply(self.store.lock().execute(request), delay),
            Some(Behaviour::ApplyThenForget) => {
                self.store.lock().execute(request);
                Fate::Forget
            }
            Some(Behaviour::ApplyThenBreak) => {
                self.store.lock().execute(request);
                Fate::Break
            }
            Some(Behaviour::Break) => Fate::Break,
            Some(Behaviour::Refuse(error)) => Fate::Reply(Response::Error(error), Duration::ZERO),
        }
    }

    async fn serve(self: Arc<Self>, mut calls: tonic::Streaming<v1::CallBatch>, replies: Replies) {
        let mut held = self.held.subscribe();
        while let Ok(Some(mut batch)) = calls.message().await {
            self.messages.fetch_add(1, Ordering::SeqCst);
            self.calls.fetch_add(batch.calls.len() as u64, Ordering::SeqCst);
            while *held.borrow_and_update() {
                tokio::select! {
                    changed = held.changed() => changed.unwrap(),
                    message = calls.message() => {
                        let Ok(Some(more)) = message else { return };
                        self.messages.fetch_add(1, Ordering::SeqCst);
                        self.calls.fetch_add(more.calls.len() as u64, Ordering::SeqCst);
                        batch.calls.extend(more.calls);
                    }
                }
            }
            let mut ready = Vec::new();
            for call in batch.calls {
                match self.decide(call.request.unwrap()) {
                    Fate::Reply(response, Duration::ZERO) => {
                        ready.push(v1::Reply {
                            id: call.id,
                            response: Some(response),
                        });
                    }
                    Fate::Reply(response, delay) => {
                        let replies = replies.clone();
                        let shared = Arc::clone(&self);
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            let reply = v1::Reply {
                                id: call.id,
                                response: Some(response),
                            };
                            let _ = replies.send(Ok(v1::ReplyBatch { replies: vec![reply] })).await;
                            shared.late_replies.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                    Fate::Forget => {}
                    Fate::Break => return,
                }
            }
            if replies.send(Ok(v1::ReplyBatch { replies: ready })).await.is_err() {
                return;
            }
        }
    }
}

type Replies = mpsc::Sender<Result<v1::ReplyBatch, tonic::Status>>;

#[tonic::async_trait]
impl Calls for Service {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::ReplyBatch, tonic::Status>> + Send>>;

    async fn open(
        &self,
        request: tonic::Request<tonic::Streaming<v1::CallBatch>>,
    ) -> Result<tonic::Response<Self::OpenStream>, tonic::Status> {
        let (replies, outgoing) = mpsc::channel(64);
        let shared = Arc::clone(&self.0);
        shared.streams.fetch_add(1, Ordering::SeqCst);
        let mut broken = shared.broken.subscribe();
        tokio::spawn(async move {
            let breaking = replies.clone();
            tokio::select! {
                () = shared.serve(request.into_inner(), replies) => {}
                _ = broken.changed() => {}
            }
            let _ = breaking
                .send(Err(tonic::Status::unavailable("broken by the script")))
                .await;
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}
