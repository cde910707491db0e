//! The watches of a fake member, and what its script does to them.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::Message as _;
use quorate_proto::v1;
use quorate_proto::v1::watch_create::Start;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use quorate_proto::v1::watch_server::Watch;
use quorate_proto::watch::WatchEvents;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::member::{FakeMember, Service, Shared};

/// How a member serves watches, and what it was asked.
#[derive(Default)]
pub struct WatchScript {
    /// Events of one message; 0: all of a revision.
    pub part: usize,
    /// The stream breaks, once, after the first part of a revision.
    pub break_inside: bool,
    /// What the next watches are answered.
    pub refuse: VecDeque<v1::Error>,
    /// Each watch is answered like that.
    pub refuse_all: Option<v1::Error>,
    /// The next revision ends its watch like that, instead of being sent.
    pub cancel: Option<v1::Error>,
    /// The next revision is sent twice.
    pub repeat: bool,
    /// What a watch of latest values is told behind its creation.
    pub latest: Vec<Message>,
    pub mute_probes: bool,
    /// The watches read up on history and have got nowhere: probes are answered for none of them.
    pub catching_up: bool,
    pub probe_error: Option<v1::Error>,
    /// What the next streams are answered, instead of being opened.
    pub fail_open: VecDeque<tonic::Status>,
    pub requests: Vec<Request>,
    /// Streams that are open.
    pub streams: usize,
}

impl WatchScript {
    /// The watches that it was asked for.
    pub fn creates(&self) -> Vec<&v1::WatchCreate> {
        let creates = self.requests.iter().filter_map(|request| match request {
            Request::Create(create) => Some(create),
            _ => None,
        });
        creates.collect()
    }

    pub fn probes(&self) -> usize {
        let probe = |request: &&Request| matches!(request, Request::Probe(_));
        self.requests.iter().filter(probe).count()
    }

    /// Where they were to start; 0: now.
    pub fn starts(&self) -> Vec<u64> {
        let start = |create: &v1::WatchCreate| match create.start {
            Some(Start::FromRevision(revision)) => revision,
            _ => 0,
        };
        self.creates().into_iter().map(start).collect()
    }

    pub fn cancels(&self) -> usize {
        let cancel = |request: &&Request| matches!(request, Request::Cancel(_));
        self.requests.iter().filter(cancel).count()
    }
}

/// A member's answer to a watch.
pub fn refusal(code: v1::ErrorCode, boundary: u64) -> v1::Error {
    v1::Error {
        code: code.into(),
        message: format!("refused by the script: {code:?}"),
        boundary,
        ..Default::default()
    }
}

impl FakeMember {
    pub fn script_watches(&self, change: impl FnOnce(&mut WatchScript)) {
        change(&mut self.shared.watches.lock());
    }
}

/// One watch of a stream.
struct Watcher {
    create: v1::WatchCreate,
    next: u64,
}

/// One stream.
struct Serving {
    shared: Arc<Shared>,
    watchers: BTreeMap<u64, Watcher>,
    out: mpsc::Sender<Result<v1::WatchResponse, tonic::Status>>,
}

/// The stream is over.
struct Broken;

impl Serving {
    async fn run(mut self, mut requests: tonic::Streaming<v1::WatchRequest>) {
        let mut newest = self.shared.store.lock().newest.subscribe();
        loop {
            let served = tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => self.handle(request.request.unwrap()).await,
                    _ => Err(Broken),
                },
                _ = newest.changed() => Ok(()),
            };
            if served.is_err() || self.pump().await.is_err() {
                return;
            }
        }
    }

    async fn send(&self, message: Message) -> Result<(), Broken> {
        let message = v1::WatchMessage { message: Some(message) };
        let response = v1::WatchResponse {
            messages: vec![message],
        };
        self.out.send(Ok(response)).await.map_err(|_closed| Broken)
    }

    async fn cancel(&mut self, watch_id: u64, error: Option<v1::Error>) -> Result<(), Broken> {
        self.watchers.remove(&watch_id);
        self.send(Message::Canceled(v1::WatchCanceled { watch_id, error }))
            .await
    }

    async fn handle(&mut self, request: Request) -> Result<(), Broken> {
        self.shared.watches.lock().requests.push(request.clone());
        match request {
            Request::Create(create) => self.create(create).await,
            Request::Cancel(cancel) => self.cancel(cancel.watch_id, None).await,
            Request::CacheKeys(_) | Request::CacheApplied(_) | Request::CacheInvalidated(_) => Ok(()),
            Request::Probe(probe) => {
                // Everything up to the mark is told before it.
                let header = self.shared.store.lock().header();
                self.pump().await?;
                let (mute, error, catching_up) = {
                    let script = self.shared.watches.lock();
                    (script.mute_probes, script.probe_error.clone(), script.catching_up)
                };
                if mute {
                    return Ok(());
                }
                let there = self.watchers.keys().filter(|_| !catching_up);
                let mark = v1::WatchMark {
                    header,
                    probe_id: probe.probe_id,
                    watch_ids: there.copied().collect(),
                    revision: header.unwrap_or_default().revision,
                    error,
                    ..Default::default()
                };
                self.send(Message::Mark(mark)).await
            }
        }
    }

    async fn create(&mut self, create: v1::WatchCreate) -> Result<(), Broken> {
        let (header, watchable_from) = {
            let store = self.shared.store.lock();
            (store.header(), store.watchable_from)
        };
        let next = match create.start {
            Some(Start::FromRevision(revision)) => revision,
            _ => header.unwrap_or_default().revision + 1,
        };
        let refused = {
            let mut script = self.shared.watches.lock();
            let compacted = (next < watchable_from).then(|| refusal(v1::ErrorCode::Compacted, watchable_from));
            script.refuse.pop_front().or(script.refuse_all.clone()).or(compacted)
        };
        let watch_id = create.watch_id;
        if refused.is_some() {
            return self.cancel(watch_id, refused).await;
        }
        if create.latest {
            return self.tell_latest(watch_id, header).await;
        }
        self.watchers.insert(watch_id, Watcher { create, next });
        let revision = next - 1;
        self.send(Message::Created(v1::WatchCreated {
            header,
            watch_id,
            revision,
            lease_ms: 0,
        }))
        .await
    }

    async fn tell_latest(&mut self, watch_id: u64, header: Option<v1::ResponseHeader>) -> Result<(), Broken> {
        self.send(Message::Created(v1::WatchCreated {
            header,
            watch_id,
            revision: 0,
            lease_ms: 0,
        }))
        .await?;
        let told = self.shared.watches.lock().latest.clone();
        for message in told {
            self.send(message).await?;
        }
        Ok(())
    }

    /// Sends what the watches have not got.
    async fn pump(&mut self) -> Result<(), Broken> {
        if self.shared.watches.lock().catching_up {
            return Ok(());
        }
        let changes = self.shared.store.lock().changes.clone();
        let ids: Vec<u64> = self.watchers.keys().copied().collect();
        for watch_id in ids {
            for (revision, events) in &changes {
                let Some(watcher) = self.watchers.get_mut(&watch_id) else {
                    break;
                };
                if *revision < watcher.next {
                    continue;
                }
                watcher.next = revision + 1;
                let selected: Vec<v1::KeyEvent> = events
                    .iter()
                    .filter(|event| selects(&watcher.create, event))
                    .cloned()
                    .collect();
                if !selected.is_empty() {
                    self.tell(watch_id, *revision, selected).await?;
                }
            }
        }
        Ok(())
    }

    async fn tell(&mut self, watch_id: u64, revision: u64, events: Vec<v1::KeyEvent>) -> Result<(), Broken> {
        let (part, cancel, repeat) = {
            let mut script = self.shared.watches.lock();
            let part = if script.part == 0 { events.len() } else { script.part };
            (part, script.cancel.take(), std::mem::take(&mut script.repeat))
        };
        if cancel.is_some() {
            return self.cancel(watch_id, cancel).await;
        }
        let parts: Vec<_> = events.chunks(part).collect();
        for _ in 0..=usize::from(repeat) {
            for (index, part) in parts.iter().enumerate() {
                let encode = |event: &v1::KeyEvent| {
                    let event = v1::watch_event::Event::Key(event.clone());
                    v1::WatchEvent { event: Some(event) }.encode_to_vec().into()
                };
                let more = index + 1 < parts.len();
                self.send(Message::Events(WatchEvents {
                    watch_ids: vec![watch_id],
                    revision,
                    wall_ms: 1_000,
                    events: part.iter().map(encode).collect(),
                    more,
                }))
                .await?;
                if more && std::mem::take(&mut self.shared.watches.lock().break_inside) {
                    return Err(Broken);
                }
            }
        }
        Ok(())
    }
}

fn selects(create: &v1::WatchCreate, event: &v1::KeyEvent) -> bool {
    use v1::key_selector::Kind;
    let key = &event.record.as_ref().unwrap().key;
    create.selectors.iter().any(|selector| {
        match selector.keys.as_ref().and_then(|keys| keys.kind.as_ref()).unwrap() {
            Kind::Key(wanted) => key == wanted,
            Kind::Prefix(prefix) => key.starts_with(prefix),
            // As much of patterns as the tests need.
            Kind::Pattern(pattern) => key.starts_with(pattern.trim_end_matches('*').as_bytes()),
            Kind::Interval(_) => false,
        }
    })
}

#[tonic::async_trait]
impl Watch for Service {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, tonic::Status>> + Send>>;

    async fn open(
        &self,
        request: tonic::Request<tonic::Streaming<v1::WatchRequest>>,
    ) -> Result<tonic::Response<Self::OpenStream>, tonic::Status> {
        let (out, outgoing) = mpsc::channel(64);
        let shared = Arc::clone(&self.0);
        if let Some(status) = shared.watches.lock().fail_open.pop_front() {
            return Err(status);
        }
        let mut broken = shared.broken.subscribe();
        shared.watches.lock().streams += 1;
        tokio::spawn(async move {
            let breaking = out.clone();
            let serving = Serving {
                shared: Arc::clone(&shared),
                watchers: BTreeMap::new(),
                out,
            };
            tokio::select! {
                () = serving.run(request.into_inner()) => {}
                _ = broken.changed() => {}
            }
            shared.watches.lock().streams -= 1;
            let status = tonic::Status::unavailable("broken by the script");
            let _ = breaking.send(Err(status)).await;
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }

    async fn invalidate(
        &self,
        _request: tonic::Request<v1::InvalidateRequest>,
    ) -> Result<tonic::Response<v1::InvalidateResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("the fake member serves no caches"))
    }
}
