//! A relay between watchers and a member, which tells one lie.
//!
//! It speaks the service of watches on both sides, passes on every message as it decoded it, and changes one as its fault
//! says. What watchers are told through it is real but for that: so a check that accepts it is shown to be blind.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_server::{Watch, WatchServer};
use quorate_proto::v1::{
    InvalidateRequest, InvalidateResponse, WatchMessage, WatchRequest, WatchResponse, watch_message,
};
use quorate_proto::watch::WatchEvents;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

use crate::HarnessError;

/// Messages with events that pass before the lie.
const HONEST: usize = 5;

/// What it does, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// Leaves out a revision.
    DropRevision,
    /// Begins a second stream with the last revision of the first.
    RepeatOnResume,
    /// Tells a revision of several events as two.
    SplitRevision,
    /// Says of a mark that it is some revisions further than it is.
    MarkAhead,
    /// Begins a second stream with the first revision of the first.
    ReplayFromBefore,
}

/// Relays to one member until it is dropped.
#[derive(Debug)]
pub struct WatchRelay {
    address: SocketAddr,
    told: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl WatchRelay {
    /// Listens on a free loopback port for watchers of the member at `upstream`, `host:port`.
    pub async fn start(upstream: &str, lie: Lie) -> Result<WatchRelay, HarnessError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(HarnessError::io("listen for the relay of watches"))?;
        let address = listener.local_addr();
        let address = address.map_err(HarnessError::io("address of the relay of watches"))?;
        let told = Arc::new(AtomicBool::new(false));
        let service = Service {
            upstream: upstream.to_owned(),
            teller: Arc::new(Teller {
                lie,
                told: Arc::clone(&told),
                past: Mutex::default(),
            }),
        };
        let serving = tokio::spawn(async move {
            let router = tonic::transport::Server::builder().add_service(WatchServer::new(service));
            // It ends when it is dropped; before that, whoever uses it notices that it is gone.
            let _ = router.serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        Ok(WatchRelay { address, told, serving })
    }

    /// `host:port` to connect to.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether the lie was told.
    pub fn has_lied(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }
}

impl Drop for WatchRelay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Service {
    upstream: String,
    teller: Arc<Teller>,
}

#[tonic::async_trait]
impl Watch for Service {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::OpenStream>, Status> {
        let refused = |error: tonic::transport::Error| Status::unavailable(error.to_string());
        let client = WatchClient::connect(format!("http://{}", self.upstream)).await;
        let mut client = client.map_err(refused)?.max_decoding_message_size(usize::MAX);
        // A second stream is one that begins when another has been told something.
        let later = !self.teller.past.lock().is_empty();
        // A request that does not decode ends the stream, as it would at the member.
        let requests = request.into_inner();
        let requests = requests.scan((), |(), request| std::future::ready(request.ok()));
        let responses = client.open(requests).await?.into_inner();
        let teller = Arc::clone(&self.teller);
        let responses = responses.map(move |response| {
            response.map(|response| WatchResponse {
                messages: response
                    .messages
                    .into_iter()
                    .flat_map(|one| teller.tell(one, later))
                    .collect(),
            })
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn invalidate(&self, request: Request<InvalidateRequest>) -> Result<Response<InvalidateResponse>, Status> {
        let client = WatchClient::connect(format!("http://{}", self.upstream)).await;
        let mut client = client.map_err(|error| Status::unavailable(error.to_string()))?;
        client.invalidate(request).await
    }
}

struct Teller {
    lie: Lie,
    told: Arc<AtomicBool>,
    /// The revisions that passed, whole.
    past: Mutex<Vec<WatchEvents>>,
}

impl Teller {
    /// What is told instead of a message.
    fn tell(&self, message: WatchMessage, later: bool) -> Vec<WatchMessage> {
        let mut past = self.past.lock();
        let Some(told) = message.message else {
            return vec![message];
        };
        let lied = self.told.load(Ordering::Acquire);
        let lie = if lied { Lie::None } else { self.lie };
        let told = match (told, lie) {
            (watch_message::Message::Events(events), Lie::DropRevision) if past.len() == HONEST && !events.more => {
                past.push(events);
                vec![]
            }
            (watch_message::Message::Events(events), Lie::SplitRevision)
                if past.len() >= HONEST && events.events.len() > 1 && !events.more =>
            {
                let mut first = events.clone();
                let mut rest = events;
                rest.events = first.events.split_off(1);
                [first, rest].map(watch_message::Message::Events).into()
            }
            (watch_message::Message::Mark(mut mark), Lie::MarkAhead)
                if past.len() >= HONEST && mark.error.is_none() =>
            {
                mark.revision += 3;
                vec![watch_message::Message::Mark(mark)]
            }
            (watch_message::Message::Created(created), Lie::RepeatOnResume | Lie::ReplayFromBefore) if later => {
                let again = match lie {
                    Lie::RepeatOnResume => past.last().cloned(),
                    _ => past.first().cloned(),
                };
                let again = again.map(|events| WatchEvents {
                    watch_ids: vec![created.watch_id],
                    ..events
                });
                let again = again.map(watch_message::Message::Events);
                std::iter::once(watch_message::Message::Created(created))
                    .chain(again)
                    .collect()
            }
            (told, _) => {
                if let watch_message::Message::Events(events) = &told
                    && !events.more
                {
                    past.push(events.clone());
                }
                return vec![WatchMessage { message: Some(told) }];
            }
        };
        self.told.store(true, Ordering::Release);
        let messages = told.into_iter().map(|told| WatchMessage { message: Some(told) });
        messages.collect()
    }
}
