//! The stream of one peer to this member.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use prost::Message as _;
use quorate_eventual::frame::{self, Frame};
use quorate_eventual::{ActorId, ActorIndex, Damaged, ShardNumber};
use quorate_proto::internal as proto;
use quorate_proto::internal::eventual_server::{Eventual, EventualServer};
use quorate_proto::internal::push_message::Message;
use tokio::sync::Notify;
use tonic::{Request, Response, Status, Streaming};

use super::clocks;
use super::gaps::Gaps;
use crate::consensus::network::Roster;
use crate::eventual::{Peer, Tier, memory};
use crate::failpoints;
use crate::state_machine::StateStore;

/// Messages are cut far below this.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A shard whose state differs in so many comparisons in a row has diverged.
const COMPARISONS_UNTIL_DIVERGED: u32 = 10;

/// What peers may call.
pub struct PushService {
    tier: Arc<Tier>,
    roster: Arc<Roster>,
    store: Arc<StateStore>,
    runtime: tokio::runtime::Handle,
}

impl PushService {
    /// The service, ready to be served. What comes is applied on `runtime`: it must not delay what Raft has to do.
    pub fn server(
        tier: Arc<Tier>,
        roster: Arc<Roster>,
        store: Arc<StateStore>,
        runtime: tokio::runtime::Handle,
    ) -> EventualServer<Self> {
        let service = Self {
            tier,
            roster,
            store,
            runtime,
        };
        EventualServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl Eventual for PushService {
    type PushStream = Pin<Box<dyn Stream<Item = Result<proto::PushAnswer, Status>> + Send>>;

    async fn push(
        &self,
        request: Request<Streaming<proto::PushMessage>>,
    ) -> Result<Response<Self::PushStream>, Status> {
        if failpoints::pass("eventual-receive").await {
            return Err(Status::unavailable("failpoint eventual-receive"));
        }
        let member = self.roster.check(&request)?;
        if !self.roster.members().contains_key(&member) {
            return Err(Status::unavailable(
                "this member does not know the sender yet: try again",
            ));
        }
        let peer = self.tier.peers.get_or_add(member);
        let answers = Arc::new(Answers::default());
        let receiving = Receiving {
            tier: Arc::clone(&self.tier),
            peer,
            answers: Arc::clone(&answers),
            sender: None,
            gaps: Gaps::default(),
            parts: Vec::new(),
            differs: Vec::new(),
        };
        self.runtime.spawn(receiving.run(request.into_inner()));
        let tier = Arc::clone(&self.tier);
        let first = proto::PushAnswer {
            process: tier.store.id().0,
            acks: Vec::new(),
            clocks: clocks::all(&tier),
        };
        let rest = futures::stream::unfold((tier, answers), |(tier, answers)| async move {
            let answer = answers.next(&tier).await?;
            Some((answer, (tier, answers)))
        });
        let all = futures::StreamExt::chain(futures::stream::once(futures::future::ready(Ok(first))), rest);
        Ok(Response::new(Box::pin(all)))
    }

    async fn clocks(&self, request: Request<proto::ClocksRequest>) -> Result<Response<proto::ClocksResponse>, Status> {
        if failpoints::pass("eventual-clocks").await {
            return Err(Status::unavailable("failpoint eventual-clocks"));
        }
        self.roster.check(&request)?;
        Ok(Response::new(proto::ClocksResponse {
            process: self.tier.store.id().0,
            clocks: clocks::all(&self.tier),
        }))
    }

    async fn memory(&self, request: Request<proto::MemoryRequest>) -> Result<Response<proto::MemoryResponse>, Status> {
        self.roster.check(&request)?;
        let memory = memory::of_member(&self.tier, &self.store.domains().load(), self.roster.me().member);
        Ok(Response::new(proto::MemoryResponse {
            memory: memory.encode_to_vec().into(),
        }))
    }
}

/// What the peer is to be told. What it is told is looked up when it is sent, so that it never piles up.
#[derive(Default)]
struct Answers {
    state: Mutex<ToTell>,
    filled: Notify,
}

#[derive(Default)]
struct ToTell {
    /// Shards of which the peer is told how far they are.
    acks: std::collections::BTreeSet<ShardNumber>,
    /// Shards of which it is told the clock.
    clocks: std::collections::BTreeSet<ShardNumber>,
    sender: Option<ActorIndex>,
    ended: Option<Status>,
}

impl Answers {
    fn tell(&self, change: impl FnOnce(&mut ToTell)) {
        change(&mut self.state.lock());
        self.filled.notify_one();
    }

    async fn next(&self, tier: &Tier) -> Option<Result<proto::PushAnswer, Status>> {
        loop {
            {
                let mut state = self.state.lock();
                if !state.acks.is_empty() || !state.clocks.is_empty() {
                    let (acks, clocks) = (std::mem::take(&mut state.acks), std::mem::take(&mut state.clocks));
                    let sender = state.sender;
                    drop(state);
                    return Some(Ok(answer(tier, sender, &acks, &clocks)));
                }
                match state.ended.take() {
                    Some(status) if status.code() == tonic::Code::Ok => return None,
                    Some(status) => {
                        state.ended = Some(Status::ok(""));
                        return Some(Err(status));
                    }
                    None => {}
                }
            }
            self.filled.notified().await;
        }
    }
}

fn answer(
    tier: &Tier,
    sender: Option<ActorIndex>,
    acks: &std::collections::BTreeSet<ShardNumber>,
    clocks: &std::collections::BTreeSet<ShardNumber>,
) -> proto::PushAnswer {
    let acks = acks.iter().filter_map(|number| {
        Some(proto::PushAck {
            shard: u32::from(number.get()),
            number: tier.store.lock(*number).clock().get(sender?),
        })
    });
    let clocks = clocks
        .iter()
        .map(|number| clocks::told(tier, *number, &tier.store.lock(*number)));
    proto::PushAnswer {
        process: tier.store.id().0,
        acks: acks.collect(),
        clocks: clocks.collect(),
    }
}

/// Shards that the frames of a message were of.
#[derive(Default)]
struct Told {
    /// Applied.
    acks: Vec<ShardNumber>,
    /// Refused: something before is missing.
    clocks: Vec<ShardNumber>,
}

struct Receiving {
    tier: Arc<Tier>,
    peer: Arc<Peer>,
    answers: Arc<Answers>,
    sender: Option<(ActorIndex, ActorId)>,
    gaps: Gaps,
    /// A frame of which more is to come.
    parts: Vec<u8>,
    /// By shard: its hash differed in the comparison before, and in how many in a row its state did.
    differs: Vec<(bool, u32)>,
}

impl Receiving {
    async fn run(mut self, mut messages: Streaming<proto::PushMessage>) {
        let number = self.peer.begins_to_receive();
        let ended = loop {
            match messages.message().await {
                Ok(Some(_))
                    if self
                        .sender
                        .is_some_and(|(_, sender)| self.peer.process() != Some(sender)) =>
                {
                    break Status::aborted("the sender is another process now");
                }
                Ok(Some(message)) if self.peer.is_newest(number) => {
                    if let Err(status) = self.take(message.message) {
                        break status;
                    }
                    // Frames may keep this task busy for long; others have to run, too.
                    tokio::task::consume_budget().await;
                }
                Ok(Some(_)) => break Status::aborted("the sender has opened another stream"),
                Ok(None) => break Status::ok("the sender closed the stream"),
                Err(status) => break status,
            }
        };
        tracing::debug!(peer = self.peer.member, status = %ended, "a peer's stream ended");
        self.peer.ends_receiving(number);
        if !self.peer.is_connected() {
            self.peer.heal.lock().parted(self.tier.monotonic());
        }
        self.answers.tell(|state| state.ended = Some(ended));
    }

    fn take(&mut self, message: Option<Message>) -> Result<(), Status> {
        match message {
            Some(Message::Hello(hello)) => self.hello(&hello),
            Some(Message::Frames(frames)) => self.frames(&frames),
            Some(Message::Part(part)) => self.part(part),
            Some(Message::Beat(beat)) => self.beat(&beat),
            None => Err(Status::invalid_argument("a message is empty, or of a later version")),
        }
    }

    fn hello(&mut self, hello: &proto::PushHello) -> Result<(), Status> {
        let process = ActorId(hello.process);
        if process == self.tier.store.id() || process.0 == 0 {
            return Err(Status::failed_precondition(
                "a peer says that it is this very process: a machine was copied while it ran; restart both",
            ));
        }
        let index = self.tier.store.actors().index(process);
        let index = index.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        self.sender = Some((index, process));
        if self.peer.is_process(process) {
            self.tier.process_ended();
        }
        self.answers.tell(|state| state.sender = Some(index));
        self.peer.heal.lock().begins_to_receive();
        if self.peer.is_connected() {
            self.peer
                .heal
                .lock()
                .connected(self.tier.monotonic(), self.tier.wall_ms());
        }
        Ok(())
    }

    fn part(&mut self, part: proto::PushPart) -> Result<(), Status> {
        let bytes_max = self.tier.options.frame_bytes_max;
        if self.parts.len() + part.data.len() > bytes_max {
            return Err(Status::resource_exhausted(format!(
                "a frame has more than {bytes_max} bytes"
            )));
        }
        self.parts.extend_from_slice(&part.data);
        if part.last {
            let frames = std::mem::take(&mut self.parts);
            self.frames(&Bytes::from(frames))?;
        }
        Ok(())
    }

    fn frames(&mut self, frames: &[u8]) -> Result<(), Status> {
        let traffic = &self.peer.traffic;
        traffic.received_bytes.fetch_add(frames.len() as u64, Ordering::Relaxed);
        let mut told = Told::default();
        let read = self.each_frame(frames, &mut told);
        // Once a message: to be woken for every frame would cost the peer a message for each.
        self.answers.tell(|state| {
            state.acks.extend(told.acks);
            state.clocks.extend(told.clocks);
        });
        read
    }

    fn each_frame(&mut self, frames: &[u8], told: &mut Told) -> Result<(), Status> {
        let mut rest = frames;
        while !rest.is_empty() {
            let before = rest.len();
            let (body, after) = frame::split(rest).map_err(|damaged| self.damaged(damaged))?;
            rest = after;
            self.frame(body, (before - after.len()) as u64, told)?;
        }
        Ok(())
    }

    /// The stream ends: the next one begins with this member's clocks, and brings what is missing.
    fn damaged(&self, damaged: Damaged) -> Status {
        self.peer.traffic.damaged_frames.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(peer = self.peer.member, %damaged, "a frame of a peer cannot be used");
        Status::data_loss(damaged.to_string())
    }

    fn frame(&mut self, body: &[u8], bytes: u64, told: &mut Told) -> Result<(), Status> {
        let Some((sender, process)) = self.sender else {
            return Err(Status::invalid_argument("frames came before the hello"));
        };
        let frame = Frame::decode(body, self.tier.store.actors()).map_err(|unusable| match unusable {
            frame::Unusable::Damaged(damaged) => self.damaged(damaged),
            other => Status::failed_precondition(other.to_string()),
        })?;
        let (number, whole, last) = (frame.shard, frame.is_state(), frame.last_of(sender));
        let mut shard = self.tier.store.lock(number);
        match frame.apply(&mut shard) {
            Ok(applied) => {
                let have = shard.clock().get(sender);
                drop(shard);
                self.gaps.reached(number, have);
                self.peer.has_own(process, sender, number, have);
                self.peer.heal.lock().received(number.get(), applied, bytes, whole);
                self.tier.went_forward(number);
                told.acks.push(number);
            }
            Err(_gap) => {
                drop(shard);
                self.gaps.found(number, last);
                told.clocks.push(number);
            }
        }
        Ok(())
    }

    fn beat(&mut self, beat: &proto::PushBeat) -> Result<(), Status> {
        let freshness = &self.peer.freshness;
        let Some((_, process)) = self.sender else {
            return Err(Status::invalid_argument("a beat came before the hello"));
        };
        let whole = beat.complete && self.gaps.is_empty();
        freshness.pinged(process, beat.ping_us, whole);
        // What is not of this very process says nothing, nor does what is yet to come.
        let now_us = self.tier.monotonic_us();
        let mine = beat.echo_process == self.tier.store.id().0 && beat.echo_us <= now_us && beat.had_all_us <= now_us;
        if mine {
            freshness.peer_has_all_as_of(beat.had_all_us);
        }
        if whole && mine {
            freshness.has_all_as_of(beat.echo_us);
            if beat.caught_up && beat.echo_us != 0 {
                // What every member had, the sender has, and so has this one now.
                self.tier.set_caught_up();
            }
            self.peer.heal.lock().all_is_here();
        }
        if freshness.peer_is_even() {
            self.peer.heal.lock().all_is_there();
        }
        let report = self
            .peer
            .heal
            .lock()
            .take_report(self.peer.member, self.tier.monotonic());
        if let Some(report) = report {
            self.tier.healed(report);
        }
        if !beat.shards.is_empty() {
            self.compare(&beat.shards);
        }
        self.tier.heard_something();
        Ok(())
    }

    /// A shard that differs twice in a row is not just on its way.
    fn compare(&mut self, hashes: &[u8]) {
        self.differs.resize(usize::from(quorate_eventual::SHARDS), (false, 0));
        for (number, hash, digest) in clocks::each_hash(hashes) {
            let (clock_differs, state_differs) = {
                let shard = self.tier.store.lock(number);
                let equal = shard.clock().hash(self.tier.store.actors()) == hash;
                if equal && let Some((_, process)) = self.sender {
                    self.peer.has_clock(process, number, shard.clock());
                    self.peer.has(process, self.tier.store.me(), number, shard.own_number());
                }
                (!equal, equal && !shard.awaits_something() && shard.digest() != digest)
            };
            let before = &mut self.differs[number.index()];
            if clock_differs && before.0 {
                self.answers.tell(|state| {
                    state.clocks.insert(number);
                });
            }
            // The peer may have awaited something then; and members drop what is in a domain that is gone when each gets to know.
            let times = if state_differs { before.1 + 1 } else { 0 };
            if times == COMPARISONS_UNTIL_DIVERGED {
                self.tier.found_diverged(number, self.peer.member);
            }
            *before = (clock_differs, times.min(COMPARISONS_UNTIL_DIVERGED));
        }
    }
}
