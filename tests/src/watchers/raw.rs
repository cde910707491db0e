//! Watches over plain gRPC: several on one stream to one member, until its whims or a fault take it to another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::{self, WatchRequest, watch_message, watch_request};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::{Clock, Recorder, create, random_asked, random_start};
use crate::HarnessError;
use crate::watch_check::{Cancel, Event, Told, Watcher};

/// A member of this machine that does not accept a connection by then is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Before another attempt at a member that does not serve.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A member that leaves a probe unanswered for so long is left.
const SILENCE_MAX: Duration = Duration::from_secs(8);

/// Between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(300);

/// Marks that come without a probe, in milliseconds.
const MARKS_MS: std::ops::Range<u64> = 100..500;

/// A whole revision may be larger than what gRPC allows by default.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Requests that wait to be sent.
const REQUESTS_MAX: usize = 256;

/// What a stream does of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whims {
    /// Nothing: it stays where it is, and follows.
    None,
    /// It leaves, cancels, and begins anew.
    Restless,
    /// It reads slowly, and at times not at all.
    Slow,
}

/// Where a stream is connected, for who wants to know whether watches were there when a fault happened.
#[derive(Clone, Debug, Default)]
pub struct Connected(Arc<AtomicU64>);

impl Connected {
    /// Watches that are there now.
    pub fn watches(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, watches: usize) {
        self.0.store(watches as u64, Ordering::Release);
    }
}

/// Several watchers that share a stream.
#[derive(Debug)]
pub struct RawStream {
    /// For people.
    pub name: String,
    /// The members; it begins with the first.
    pub endpoints: Vec<String>,
    /// Watchers on the stream.
    pub watchers: usize,
    /// What it does by itself.
    pub whims: Whims,
    /// Its decisions come from it.
    pub seed: u64,
    /// The clock of the run.
    pub clock: Clock,
    /// The newest revision that the run knows of.
    pub newest: Arc<AtomicU64>,
    /// Once set, every watcher goes on to that revision and is done.
    pub due: watch::Receiver<Option<u64>>,
    /// How many of its watches are there.
    pub connected: Connected,
}

impl RawStream {
    /// Runs until every watcher has got what is due. What it returns has everything that any of them was told, also of
    /// those that were ended on a whim.
    pub async fn run(self) -> Result<Vec<Watcher>, HarnessError> {
        let mut run = Run {
            random: SmallRng::seed_from_u64(self.seed),
            active: Vec::new(),
            ended: Vec::new(),
            numbers: 0,
            place: 0,
            plan: self,
        };
        for _ in 0..run.plan.watchers {
            let recorder = run.fresh();
            run.active.push(recorder);
        }
        run.until_done().await
    }

    /// Runs these watchers, which are already decided on, in the same way.
    pub async fn run_with(self, watchers: Vec<Recorder>) -> Result<Vec<Watcher>, HarnessError> {
        let mut run = Run {
            random: SmallRng::seed_from_u64(self.seed),
            active: watchers,
            ended: Vec::new(),
            numbers: 0,
            place: 0,
            plan: self,
        };
        run.until_done().await
    }
}

struct Run {
    plan: RawStream,
    random: SmallRng,
    active: Vec<Recorder>,
    ended: Vec<Watcher>,
    /// Watchers so far.
    numbers: u64,
    /// Where in the list of members it is.
    place: usize,
}

/// Why a connection is over.
enum Over {
    /// Everybody has what is due.
    Done,
    /// It broke, or the member is silent: it may be tried again.
    Broken,
    /// On a whim.
    Left,
}

impl Run {
    async fn until_done(&mut self) -> Result<Vec<Watcher>, HarnessError> {
        loop {
            let over = self.one_connection().await?;
            self.plan.connected.set(0);
            match over {
                Over::Done => {
                    let due = self.plan.due.borrow().unwrap_or(0);
                    let done = self.active.drain(..).map(|recorder| recorder.finish(due));
                    self.ended.extend(done);
                    return Ok(std::mem::take(&mut self.ended));
                }
                Over::Broken => {
                    tokio::time::sleep(BACK_OFF).await;
                    // A member that is gone for good must not hold up the end.
                    if self.plan.due.borrow().is_some() {
                        self.move_on();
                    }
                }
                Over::Left => self.move_on(),
            }
        }
    }

    fn move_on(&mut self) {
        let others = self.plan.endpoints.len().saturating_sub(1);
        if others > 0 {
            self.place = (self.place + self.random.random_range(1..=others)) % self.plan.endpoints.len();
        }
    }

    fn fresh(&mut self) -> Recorder {
        self.numbers += 1;
        let name = format!("{}.{}", self.plan.name, self.numbers);
        let asked = random_asked(&mut self.random);
        let start = random_start(&mut self.random, self.plan.newest.load(Ordering::Acquire));
        Recorder::new(name, asked, start)
    }

    async fn one_connection(&mut self) -> Result<Over, HarnessError> {
        let endpoint = self.plan.endpoints[self.place].clone();
        let Ok((requests, mut responses)) = open(&endpoint).await else {
            return Ok(Over::Broken);
        };
        let mut connection = Connection {
            requests,
            ids: HashMap::new(),
            last_id: 0,
            probes: HashMap::new(),
            last_probe: 0,
            heard: Instant::now(),
        };
        for index in 0..self.active.len() {
            if !self.ask(&mut connection, index) {
                return Ok(Over::Broken);
            }
        }
        let mut probing = tokio::time::interval(PROBE_INTERVAL);
        probing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut whim = Instant::now() + self.until_next_whim();
        loop {
            if self.is_done() {
                return Ok(Over::Done);
            }
            tokio::select! {
                response = responses.message() => match response {
                    Ok(Some(response)) => {
                        connection.heard = Instant::now();
                        for message in response.messages {
                            self.take(&mut connection, message)?;
                        }
                        self.plan.connected.set(self.active.iter().filter(|recorder| recorder.is_there()).count());
                        if self.plan.whims == Whims::Slow && self.plan.due.borrow().is_none() {
                            let pause = Duration::from_millis(self.random.random_range(0..100));
                            tokio::time::sleep(pause).await;
                        }
                    }
                    Ok(None) | Err(_) => return Ok(Over::Broken),
                },
                _ = probing.tick() => {
                    if connection.heard.elapsed() > SILENCE_MAX || !connection.probe(self.plan.clock) {
                        return Ok(Over::Broken);
                    }
                }
                () = tokio::time::sleep_until(whim) => {
                    whim = Instant::now() + self.until_next_whim();
                    if let Some(over) = self.follow_a_whim(&mut connection).await {
                        return Ok(over);
                    }
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        let due = *self.plan.due.borrow();
        due.is_some_and(|due| self.active.iter().all(|recorder| recorder.has_reached(due)))
    }

    fn until_next_whim(&mut self) -> Duration {
        match self.plan.whims {
            Whims::None => Duration::from_secs(3600),
            Whims::Restless | Whims::Slow => Duration::from_millis(self.random.random_range(200..3000)),
        }
    }

    /// Some of these end the connection.
    async fn follow_a_whim(&mut self, connection: &mut Connection) -> Option<Over> {
        if self.plan.due.borrow().is_some() {
            return None;
        }
        let indexes: Vec<usize> = (0..self.active.len()).collect();
        let index = *indexes.choose(&mut self.random)?;
        match (self.plan.whims, self.random.random_range(0..4)) {
            (Whims::Slow, 0..3) => {
                let pause = Duration::from_millis(self.random.random_range(500..4000));
                tokio::time::sleep(pause).await;
                None
            }
            // In the middle of whatever is on its way.
            (_, 0) => Some(Over::Left),
            (_, 1) => Some(Over::Broken),
            // It resumes on the same stream when it has been told that it is over.
            (_, 2) => (!connection.cancel(index)).then_some(Over::Broken),
            // Somebody else takes its place.
            _ if self.active[index].is_there() => {
                let fresh = self.fresh();
                let given_up = std::mem::replace(&mut self.active[index], fresh);
                self.ended.push(given_up.give_up());
                connection.retire(index);
                (!self.ask(connection, index)).then_some(Over::Broken)
            }
            _ => None,
        }
    }

    /// Whether the request is on its way.
    fn ask(&mut self, connection: &mut Connection, index: usize) -> bool {
        let recorder = &mut self.active[index];
        let start = recorder.begin(self.plan.clock.now());
        connection.last_id += 1;
        connection.ids.insert(connection.last_id, Some(index));
        let marks = self.random.random_bool(0.5);
        let mark_interval_ms = if marks { self.random.random_range(MARKS_MS) } else { 0 };
        let request = create(connection.last_id, recorder.asked(), start, mark_interval_ms);
        connection.send(watch_request::Request::Create(request))
    }

    fn take(&mut self, connection: &mut Connection, message: v1::WatchMessage) -> Result<(), HarnessError> {
        match message.message {
            Some(watch_message::Message::Created(created)) => {
                let at = self.plan.clock.now();
                let revision = created.revision;
                self.tell(connection, created.watch_id, Told::Created { revision, at })
            }
            Some(watch_message::Message::Events(events)) => {
                let told = Told::Events {
                    revision: events.revision,
                    more: events.more,
                    events: events.events.into_iter().map(decode).collect::<Result<_, _>>()?,
                };
                let mut ids = events.watch_ids.iter();
                ids.try_for_each(|id| self.tell(connection, *id, told.clone()))
            }
            // A probe that could not be answered is asked again.
            Some(watch_message::Message::Mark(mark)) if mark.error.is_some() => Ok(()),
            Some(watch_message::Message::Mark(mark)) => {
                let told = Told::Mark {
                    revision: mark.revision,
                    probed: connection.probes.get(&mark.probe_id).copied(),
                };
                let mut ids = mark.watch_ids.iter();
                ids.try_for_each(|id| self.tell(connection, *id, told.clone()))
            }
            Some(watch_message::Message::Canceled(canceled)) => self.canceled(connection, &canceled),
            Some(watch_message::Message::CacheKeysChanged(_) | watch_message::Message::CacheInvalidate(_)) | None => {
                Err(HarnessError::Broken(
                    "a message that no watch asked for, or an empty one".to_owned(),
                ))
            }
        }
    }

    fn canceled(&mut self, connection: &mut Connection, canceled: &v1::WatchCanceled) -> Result<(), HarnessError> {
        let id = canceled.watch_id;
        let error = canceled.error.as_ref();
        let cancel = match error.map(|error| (error.code(), error.boundary)) {
            Some((v1::ErrorCode::Compacted, boundary)) => Cancel::Compacted(boundary),
            Some((v1::ErrorCode::Lagged, resume)) => Cancel::Lagged(resume),
            Some((v1::ErrorCode::Unavailable | v1::ErrorCode::Stopped | v1::ErrorCode::DeadlineExceeded, _)) | None => {
                Cancel::Other
            }
            Some(_) => return Err(HarnessError::Broken(format!("a watch was refused: {error:?}"))),
        };
        self.tell(connection, id, Told::Canceled(cancel))?;
        // From here on nothing may come for this id.
        if let Some(Some(index)) = connection.ids.remove(&id) {
            self.ask(connection, index);
        }
        Ok(())
    }

    fn tell(&mut self, connection: &Connection, id: u64, told: Told) -> Result<(), HarnessError> {
        match connection.ids.get(&id) {
            Some(Some(index)) => self.active[*index].told(told),
            // It was given up; what is still on its way concerns nobody.
            Some(None) => {}
            None => {
                return Err(HarnessError::Broken(format!(
                    "stream {} was told {told:?} of watch {id}, which has ended or never was",
                    self.plan.name
                )));
            }
        }
        Ok(())
    }
}

fn decode(event: Bytes) -> Result<Event, HarnessError> {
    let event = v1::WatchEvent::decode(event);
    let event = event.map_err(|error| HarnessError::Broken(format!("an event does not decode: {error}")))?;
    Event::from_wire(event).ok_or_else(|| HarnessError::Broken("an event is of an unknown kind".to_owned()))
}

/// A stream, and who is who on it.
struct Connection {
    requests: mpsc::Sender<WatchRequest>,
    /// By id, the place of the watcher; none where it was given up.
    ids: HashMap<u64, Option<usize>>,
    last_id: u64,
    /// By id, when it was sent.
    probes: HashMap<u64, Duration>,
    last_probe: u64,
    heard: Instant,
}

impl Connection {
    /// Whether it is on its way. A member that takes no more requests is as good as gone.
    fn send(&self, request: watch_request::Request) -> bool {
        let request = WatchRequest { request: Some(request) };
        self.requests.try_send(request).is_ok()
    }

    fn probe(&mut self, clock: Clock) -> bool {
        self.last_probe += 1;
        self.probes.insert(self.last_probe, clock.now());
        self.send(watch_request::Request::Probe(v1::WatchProbe {
            probe_id: self.last_probe,
            watch_ids: Vec::new(),
            linearizable: true,
        }))
    }

    /// Cancels the watch of the watcher at this place.
    fn cancel(&self, index: usize) -> bool {
        let of_it = |(_, place): &(&u64, &Option<usize>)| **place == Some(index);
        let Some((id, _)) = self.ids.iter().find(of_it) else {
            return true;
        };
        self.send(watch_request::Request::Cancel(v1::WatchCancel { watch_id: *id }))
    }

    /// What comes for the watcher at this place concerns nobody from now on.
    fn retire(&mut self, index: usize) {
        self.cancel(index);
        for place in self.ids.values_mut().filter(|place| **place == Some(index)) {
            *place = None;
        }
    }
}

async fn open(endpoint: &str) -> Result<(mpsc::Sender<WatchRequest>, Streaming<v1::WatchResponse>), String> {
    let channel = Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    let mut client = WatchClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (requests, outgoing) = mpsc::channel(REQUESTS_MAX);
    let opened = tokio::time::timeout(SILENCE_MAX, client.open(ReceiverStream::new(outgoing))).await;
    let responses = opened.map_err(|error| error.to_string())?;
    let responses = responses.map_err(|status| status.to_string())?;
    Ok((requests, responses.into_inner()))
}
