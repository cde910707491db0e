//! A relay between clients with caches and a member, which tells lies about what changed.
//!
//! It speaks the service of watches on both sides; every other call passes as it is. From the moment at which it is told to
//! lie it lies to every cache. The cache itself is as honest as ever: so a check that accepts what it answers then is shown
//! to be blind, also to a cache that goes on without its watch.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_server::{Watch, WatchServer};
use quorate_proto::v1::{
    CacheApplied, InvalidateRequest, InvalidateResponse, WatchMark, WatchMessage, WatchRequest, WatchResponse,
    watch_message, watch_request,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::codegen::{BoxFuture, Service as HttpService, http};
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::HarnessError;

/// Messages that the relay has put into a stream of its own, and that wait.
const OWN_MAX: usize = 1_024;

/// What it does once it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLie {
    /// Nothing.
    None,
    /// Leaves out all events; marks pass.
    SwallowEvents,
    /// Nothing comes of the watch any more, but the relay says that all is well whenever it is asked: what a cache would
    /// have that does not notice that its watch is broken.
    HideBreak,
    /// Leaves out all events, and tells the member that the cache has taken them in.
    ApplyUnseen,
    /// Says of keys that were added that none is another than the cache has.
    HideDifference,
    /// No lie: nothing comes of the watch any more, as if packets were lost.
    Silence,
}

/// Relays to one member until it is dropped.
#[derive(Debug)]
pub struct CacheRelay {
    address: SocketAddr,
    lies: Arc<Lies>,
    serving: JoinHandle<()>,
}

/// What is told, and how often it was.
#[derive(Debug)]
struct Lies {
    lie: CacheLie,
    armed: AtomicBool,
    told: AtomicU64,
}

impl Lies {
    fn now(&self) -> CacheLie {
        match self.armed.load(Ordering::Acquire) {
            true => self.lie,
            false => CacheLie::None,
        }
    }

    fn count(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
    }
}

impl CacheRelay {
    /// Listens on a free loopback port for clients of the member at `upstream`, `host:port`. It tells the truth until
    /// [`lie`](Self::lie).
    pub async fn start(upstream: &str, lie: CacheLie) -> Result<CacheRelay, HarnessError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(HarnessError::io("listen for the relay of caches"))?;
        let address = listener.local_addr();
        let address = address.map_err(HarnessError::io("address of the relay of caches"))?;
        let endpoint = Channel::from_shared(format!("http://{upstream}"));
        let channel = endpoint
            .map_err(|error| HarnessError::Broken(format!("{upstream}: {error}")))?
            .connect_lazy();
        let lies = Arc::new(Lies {
            lie,
            armed: AtomicBool::new(false),
            told: AtomicU64::new(0),
        });
        let watches = Watches {
            channel: channel.clone(),
            lies: Arc::clone(&lies),
        };
        let router = tonic::transport::Server::builder()
            .add_service(WatchServer::new(watches))
            .add_service(Forward::<Calls>::new(&channel))
            .add_service(Forward::<Cluster>::new(&channel))
            .add_service(Forward::<Kv>::new(&channel))
            .add_service(Forward::<Session>::new(&channel))
            .add_service(Forward::<Domains>::new(&channel))
            .add_service(Forward::<Coordination>::new(&channel))
            .add_service(Forward::<Eventual>::new(&channel));
        let serving = tokio::spawn(async move {
            // It ends when it is dropped; before that, whoever uses it notices that it is gone.
            let _ = router.serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        Ok(CacheRelay { address, lies, serving })
    }

    /// `host:port` to connect to.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on it lies.
    pub fn lie(&self) {
        self.lies.armed.store(true, Ordering::Release);
    }

    /// How often it has lied.
    pub fn lies(&self) -> u64 {
        self.lies.told.load(Ordering::Acquire)
    }
}

impl Drop for CacheRelay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Watches {
    channel: Channel,
    lies: Arc<Lies>,
}

#[tonic::async_trait]
impl Watch for Watches {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::OpenStream>, Status> {
        let mut client = WatchClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let (upward, to_member) = mpsc::channel(OWN_MAX);
        let (downward, to_cache) = mpsc::channel(OWN_MAX);
        let stream = Arc::new(OneStream {
            lies: Arc::clone(&self.lies),
            last_mark: Mutex::default(),
            watch_ids: Mutex::default(),
            upward,
            downward,
        });
        let asked = Arc::clone(&stream);
        // A request that does not decode ends the stream, as it would at the member.
        let requests = request.into_inner();
        let requests = requests.scan((), |(), request| std::future::ready(request.ok()));
        let requests = requests.filter_map(move |request| std::future::ready(asked.pass_up(request)));
        // The stream ends when the client ends its side, not when nobody lies any more.
        let own = ReceiverStream::new(to_member);
        let requests = until_first_ends(requests, own);
        let responses = client.open(requests).await?.into_inner();
        let responses = responses.map(move |response| {
            response.map(|response| WatchResponse {
                messages: response
                    .messages
                    .into_iter()
                    .filter_map(|message| stream.pass_down(message))
                    .collect(),
            })
        });
        let own = ReceiverStream::new(to_cache).map(|message| {
            Ok(WatchResponse {
                messages: vec![message],
            })
        });
        Ok(Response::new(Box::pin(until_first_ends(responses, own))))
    }

    async fn invalidate(&self, request: Request<InvalidateRequest>) -> Result<Response<InvalidateResponse>, Status> {
        WatchClient::new(self.channel.clone()).invalidate(request).await
    }
}

/// Both, until the first one ends.
fn until_first_ends<T: Send + 'static>(
    first: impl Stream<Item = T> + Send + 'static,
    other: impl Stream<Item = T> + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static {
    let first = first.map(Some).chain(futures::stream::iter([None]));
    let both = futures::stream::select(first, other.map(Some));
    both.take_while(|item| std::future::ready(item.is_some()))
        .filter_map(std::future::ready)
}

/// What is known of one stream of watches.
struct OneStream {
    lies: Arc<Lies>,
    last_mark: Mutex<Option<WatchMark>>,
    watch_ids: Mutex<Vec<u64>>,
    upward: mpsc::Sender<WatchRequest>,
    downward: mpsc::Sender<WatchMessage>,
}

impl OneStream {
    fn pass_up(&self, request: WatchRequest) -> Option<WatchRequest> {
        if let (Some(watch_request::Request::Probe(probe)), CacheLie::HideBreak) = (&request.request, self.lies.now()) {
            let known = self.last_mark.lock().clone();
            let mark = WatchMark {
                probe_id: probe.probe_id,
                watch_ids: match probe.watch_ids.is_empty() {
                    true => self.watch_ids.lock().clone(),
                    false => probe.watch_ids.clone(),
                },
                ..known?
            };
            let message = watch_message::Message::Mark(mark);
            // A stream that is not read tells no lies either.
            let told = self.downward.try_send(WatchMessage { message: Some(message) });
            if told.is_ok() {
                self.lies.count();
            }
            return None;
        }
        Some(request)
    }

    fn pass_down(&self, message: WatchMessage) -> Option<WatchMessage> {
        use watch_message::Message;
        let mut told = message.message?;
        match &told {
            Message::Created(created) => self.watch_ids.lock().push(created.watch_id),
            Message::Mark(mark) if mark.error.is_none() => *self.last_mark.lock() = Some(mark.clone()),
            _ => {}
        }
        match (&mut told, self.lies.now()) {
            (Message::Events(_), CacheLie::SwallowEvents) => {
                self.lies.count();
                return None;
            }
            (Message::Events(events), CacheLie::ApplyUnseen) => {
                for watch_id in &events.watch_ids {
                    let applied = CacheApplied {
                        watch_id: *watch_id,
                        revision: events.revision,
                    };
                    let request = watch_request::Request::CacheApplied(applied);
                    let told = self.upward.try_send(WatchRequest { request: Some(request) });
                    if told.is_ok() {
                        self.lies.count();
                    }
                }
                return None;
            }
            (Message::CacheKeysChanged(changed), CacheLie::HideDifference) if !changed.differ.is_empty() => {
                changed.differ.clear();
                self.lies.count();
            }
            (_, CacheLie::HideBreak) => return None,
            (_, CacheLie::Silence) => {
                self.lies.count();
                return None;
            }
            _ => {}
        }
        Some(WatchMessage { message: Some(told) })
    }
}

/// Names a service that passes as it is.
trait Passes: Send + Sync + 'static {
    const NAME: &'static str;
}

macro_rules! passes {
    ($($service:ident),*) => {
        $(
            enum $service {}

            impl Passes for $service {
                const NAME: &'static str = concat!("quorate.v1.", stringify!($service));
            }
        )*
    };
}

passes!(Calls, Cluster, Kv, Session, Domains, Coordination, Eventual);

/// Calls of one service, sent on without a look at them.
struct Forward<S> {
    channel: Channel,
    service: PhantomData<fn() -> S>,
}

impl<S> Forward<S> {
    fn new(channel: &Channel) -> Forward<S> {
        Forward {
            channel: channel.clone(),
            service: PhantomData,
        }
    }
}

impl<S> Clone for Forward<S> {
    fn clone(&self) -> Self {
        Forward::new(&self.channel)
    }
}

impl<S: Passes> NamedService for Forward<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Passes> HttpService<http::Request<tonic::body::Body>> for Forward<S> {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let mut channel = self.channel.clone();
        Box::pin(async move {
            let ready = std::future::poll_fn(|context| channel.poll_ready(context)).await;
            let answer = match ready {
                Ok(()) => channel.call(request).await,
                Err(error) => Err(error),
            };
            Ok(answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
        })
    }
}
