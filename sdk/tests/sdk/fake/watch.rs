//! The watches of a fake member, and what its script does to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
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
    /// Of coherent caches, in milliseconds; 0: 1,000.
    pub lease_ms: u64,
    /// It has applied and routed nothing after this revision, and answers no probe before it has what the others have.
    pub applied_max: Option<u64>,
    /// Keys that caches name are added, and nobody is told.
    pub mute_keys: bool,
    /// What the next additions of keys are answered.
    pub refuse_keys: VecDeque<v1::Error>,
    /// Caches that have a watch here.
    pub caches: usize,
    /// By invalidation, the caches that have dropped it.
    pub invalidated: BTreeMap<u64, u64>,
    /// Caches say that they dropped something, and it is not heard.
    pub mute_invalidated: bool,
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

    /// Keys that caches named, in order; false: taken off.
    pub fn cache_keys(&self) -> Vec<(String, bool)> {
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        let mut keys = Vec::new();
        for request in &self.requests {
            if let Request::CacheKeys(named) = request {
                keys.extend(named.added.iter().map(|added| (text(&added.key), true)));
                keys.extend(named.removed.iter().map(|removed| (text(removed), false)));
            }
        }
        keys
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
pub(super) struct Watcher {
    pub(super) create: v1::WatchCreate,
    next: u64,
    /// Of a cache: the keys it hears of, with their domain.
    pub(super) keys: BTreeSet<(String, Bytes)>,
}

/// One stream.
pub(super) struct Serving {
    pub(super) shared: Arc<Shared>,
    pub(super) watchers: BTreeMap<u64, Watcher>,
    out: mpsc::Sender<Result<v1::WatchResponse, tonic::Status>>,
}

/// The stream is over.
pub(super) struct Broken;

impl Serving {
    async fn run(mut self, mut requests: tonic::Streaming<v1::WatchRequest>) {
        let mut newest = self.shared.store.lock().newest.subscribe();
        let mut invalidations = self.shared.invalidations.subscribe();
        loop {
            let served = tokio::select! {
                Ok((id, what)) = invalidations.recv() => self.invalidate(id, what).await,
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

    pub(super) async fn send(&self, message: Message) -> Result<(), Broken> {
        let message = v1::WatchMessage { message: Some(message) };
        let response = v1::WatchResponse {
            messages: vec![message],
        };
        self.out.send(Ok(response)).await.map_err(|_closed| Broken)
    }

    async fn cancel(&mut self, watch_id: u64, error: Option<v1::Error>) -> Result<(), Broken> {
        if self
            .watchers
            .remove(&watch_id)
            .is_some_and(|gone| gone.create.cache.is_some())
        {
            self.shared.watches.lock().caches -= 1;
        }
        self.send(Message::Canceled(v1::WatchCanceled { watch_id, error }))
            .await
    }

    async fn handle(&mut self, request: Request) -> Result<(), Broken> {
        self.shared.watches.lock().requests.push(request.clone());
        match request {
            Request::Create(create) => self.create(create).await,
            Request::Cancel(cancel) => self.cancel(cancel.watch_id, None).await,
            Request::CacheKeys(named) => self.name_keys(named).await,
            Request::CacheApplied(_) => Ok(()),
            Request::CacheInvalidated(done) => {
                let mut script = self.shared.watches.lock();
                if !script.mute_invalidated {
                    *script.invalidated.entry(done.invalidation_id).or_default() += 1;
                }
                Ok(())
            }
            Request::Probe(probe) => {
                // Everything up to the mark is told before it.
                let header = self.shared.store.lock().header();
                self.pump().await?;
                let newest = header.unwrap_or_default().revision;
                if self.applied() < newest {
                    return Ok(());
                }
                let (mute, error, catching_up) = {
                    let script = self.shared.watches.lock();
                    (script.mute_probes, script.probe_error.clone(), script.catching_up)
                };
                if mute {
                    return Ok(());
                }
                let asked = |id: &&u64| probe.watch_ids.is_empty() || probe.watch_ids.contains(id);
                let there = self.watchers.keys().filter(asked).filter(|_| !catching_up);
                let mark = v1::WatchMark {
                    header,
                    probe_id: probe.probe_id,
                    watch_ids: there.copied().collect(),
                    revision: newest,
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
        let mut lease_ms = 0;
        if let Some(cache) = create.cache {
            if cache.coherent && !self.shared.leads() {
                return self.cancel(watch_id, Some(self.shared.not_leader())).await;
            }
            let mut script = self.shared.watches.lock();
            script.caches += 1;
            let lease = if script.lease_ms == 0 { 1_000 } else { script.lease_ms };
            lease_ms = if cache.coherent { lease } else { 0 };
        }
        let keys = BTreeSet::new();
        self.watchers.insert(watch_id, Watcher { create, next, keys });
        let revision = next - 1;
        self.send(Message::Created(v1::WatchCreated {
            header,
            watch_id,
            revision,
            lease_ms,
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
    pub(super) async fn pump(&mut self) -> Result<(), Broken> {
        if self.shared.watches.lock().catching_up {
            return Ok(());
        }
        let applied = self.applied();
        let mut changes = self.shared.store.lock().changes.clone();
        changes.retain(|(revision, _)| *revision <= applied);
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
                let selected: Vec<v1::KeyEvent> =
                    events.iter().filter(|event| selects(watcher, event)).cloned().collect();
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

fn selects(watcher: &Watcher, event: &v1::KeyEvent) -> bool {
    use v1::key_selector::Kind;
    let key = &event.record.as_ref().unwrap().key;
    if watcher.create.cache.is_some() {
        return watcher.keys.contains(&(event.domain.clone(), key.clone()));
    }
    watcher.create.selectors.iter().any(|selector| {
        match selector.keys.as_ref().and_then(|keys| keys.kind.as_ref()).unwrap() {
            Kind::Key(wanted) => key == wanted,
            Kind::Prefix(prefix) => key.starts_with(prefix),
            // As much of patterns as the tests need.
            Kind::Pattern(pattern) => key.starts_with(pattern.trim_end_matches('*').as_bytes()),
            Kind::Interval(_) => false,
        }
    })
}

impl Drop for Serving {
    fn drop(&mut self) {
        let caches = self.watchers.values().filter(|watcher| watcher.create.cache.is_some());
        let mut script = self.shared.watches.lock();
        script.caches -= caches.count();
        script.streams -= 1;
    }
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
            let status = tonic::Status::unavailable("broken by the script");
            let _ = breaking.send(Err(status)).await;
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }

    async fn invalidate(
        &self,
        request: tonic::Request<v1::InvalidateRequest>,
    ) -> Result<tonic::Response<v1::InvalidateResponse>, tonic::Status> {
        let request = request.into_inner();
        let (shared, what) = (&self.0, request.what.unwrap());
        let told = shared.watches.lock().caches as u64;
        let id = shared.messages.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = shared.invalidations.send((id, what));
        let heard = || shared.watches.lock().invalidated.get(&id).copied().unwrap_or(0);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(request.wait_ms);
        while heard() < told && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(tonic::Response::new(v1::InvalidateResponse {
            header: shared.store.lock().header(),
            told,
            acknowledged: heard(),
            unreached: Vec::new(),
        }))
    }
}
