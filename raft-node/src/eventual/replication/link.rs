//! The stream to one peer.
//!
//! The peer says first how far it has each shard; it gets what it lacks, and from then on what is written here, as it is
//! written. Where a frame does not fit, or the hashes differ later, it says its clock again, and gets what it lacks.
//!
//! A peer that does not read is not waited for: its queue closes when too much waits, and when it has read what was sent
//! before, the stream is opened anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_eventual::frame::FRAME_HEAD_BYTES;
use quorate_eventual::{ActorId, Clock, ShardNumber};
use quorate_proto::internal as proto;
use quorate_proto::internal::eventual_client::EventualClient;
use quorate_proto::internal::push_message::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::clocks;
use super::queue::{Item, Queue};
use super::repair::{NotRepaired, Repair, repair};
use crate::consensus::Member;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::eventual::freshness::Echo;
use crate::eventual::{Peer, Tier};
use crate::failpoints;

/// Messages that wait for the connection; HTTP/2 holds back the rest.
const OUTBOX_MESSAGES: usize = 8;
/// A frame larger than this goes in parts.
const PART_BYTES: usize = 1 << 20;
/// Repairs share a message up to this.
const MESSAGE_BYTES: usize = 128 << 10;
/// Between two attempts to reach a peer.
const RETRY: Duration = Duration::from_millis(200);
/// A peer that does not answer the opening for so long is not there.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends to one peer for as long as it is a member.
pub(super) struct Link {
    pub(super) tier: Arc<Tier>,
    pub(super) roster: Arc<Roster>,
    pub(super) network: PeerNetwork,
    pub(super) member: Member,
    pub(super) peer: Arc<Peer>,
    pub(super) queue: Arc<Queue>,
}

impl Link {
    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let Some(mut client) = self.network.eventual_client(self.peer.member, &self.member) else {
            tracing::error!(peer = self.peer.member, "its address is none");
            return;
        };
        loop {
            let ended = self.stream(&mut client).await;
            self.queue.close();
            self.peer.set_sends(false);
            self.peer.heal.lock().parted(self.tier.monotonic());
            if let Err(status) = ended {
                tracing::debug!(peer = self.peer.member, %status, "the stream to a peer ended");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// One stream, from its opening to its end.
    async fn stream(&self, client: &mut EventualClient<Channel>) -> Result<(), Status> {
        if failpoints::pass("eventual-stream").await {
            return Err(Status::unavailable("failpoint eventual-stream"));
        }
        let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
        let hello = proto::PushHello {
            process: self.tier.store.id().0,
        };
        let _ = outbox.try_send(message(Message::Hello(hello)));
        let request = self
            .roster
            .stamp(ReceiverStream::new(messages), self.peer.member, self.member.directory);
        let opening = async {
            let mut answers = client.push(request).await?.into_inner();
            let first = answers.message().await?;
            let first = first.ok_or_else(|| Status::unavailable("the peer closed the stream"))?;
            Ok::<_, Status>((answers, first))
        };
        let opened = tokio::time::timeout(OPEN_TIMEOUT, opening).await;
        let (answers, first) = opened.map_err(|_| Status::deadline_exceeded("the peer does not answer"))??;
        let sending = Sending {
            link: self,
            outbox,
            process: ActorId(first.process),
            caught_up: self.tier.is_caught_up(),
            too_large: Mutex::default(),
        };
        self.peer.freshness.begin_sending();
        if self.peer.is_process(sending.process) {
            self.tier.process_ended();
        }
        self.peer.set_sends(true);
        if self.peer.is_connected() {
            self.peer
                .heal
                .lock()
                .connected(self.tier.monotonic(), self.tier.wall_ms());
        }
        // Before the clocks are looked at: what is written from now on is in the queue, what was before is in the repairs.
        self.queue.open();
        sending.answered(first).await?;
        self.peer.freshness.sent_all(self.tier.monotonic_us());
        sending.run(answers).await
    }
}

fn message(message: Message) -> proto::PushMessage {
    proto::PushMessage { message: Some(message) }
}

struct Sending<'l> {
    link: &'l Link,
    outbox: mpsc::Sender<proto::PushMessage>,
    process: ActorId,
    /// This member had what there was when it started, when the stream was opened: so what the peer got since the opening
    /// includes it.
    caught_up: bool,
    /// Shards that could not be sent, as they were then. While there are any, the peer does not have all there is.
    too_large: Mutex<BTreeMap<ShardNumber, Clock>>,
}

impl Sending<'_> {
    async fn run(&self, mut answers: Streaming<proto::PushAnswer>) -> Result<(), Status> {
        let queue = Arc::clone(&self.link.queue);
        loop {
            tokio::select! {
                answer = answers.message() => match answer? {
                    Some(answer) => self.answered(answer).await?,
                    None => return Ok(()),
                },
                item = queue.take() => match item {
                    Some(Item::Frames(frames)) => self.frames(frames).await?,
                    Some(Item::Repair(shards)) => self.repair(&shards).await?,
                    Some(Item::Beat { echo, shards }) => self.beat(echo, shards).await?,
                    // It has read what was sent before; what it lacks is found by its clocks.
                    None => return Err(Status::aborted("too much waited for the peer")),
                },
            }
        }
    }

    async fn answered(&self, answer: proto::PushAnswer) -> Result<(), Status> {
        let (tier, peer) = (&self.link.tier, &self.link.peer);
        if ActorId(answer.process) != self.process {
            return Err(Status::aborted("the peer is another process now"));
        }
        for ack in &answer.acks {
            if let Some(shard) = ShardNumber::new(ack.shard) {
                peer.has(self.process, tier.store.me(), shard, ack.number);
                tier.went_forward(shard);
            }
        }
        let mut gathered = Vec::new();
        for told in &answer.clocks {
            let heard = clocks::heard(tier, told).map_err(|error| Status::resource_exhausted(error.to_string()))?;
            let Some((number, clock)) = heard else { continue };
            peer.has(self.process, tier.store.me(), number, clock.get(tier.store.me()));
            peer.has_clock(self.process, number, &clock);
            self.gather_repair(number, &clock, &mut gathered).await?;
        }
        self.flush(gathered).await
    }

    async fn repair(&self, shards: &[ShardNumber]) -> Result<(), Status> {
        let mut gathered = Vec::new();
        for number in shards {
            let have = self.link.peer.known(*number);
            self.gather_repair(*number, &have, &mut gathered).await?;
        }
        self.flush(gathered).await
    }

    async fn gather_repair(&self, number: ShardNumber, have: &Clock, gathered: &mut Vec<u8>) -> Result<(), Status> {
        let Some(repair) = self.make_repair(number, have).await? else {
            return Ok(());
        };
        if failpoints::pass("eventual-repair").await {
            return Err(Status::unavailable("failpoint eventual-repair"));
        }
        let traffic = &self.link.peer.traffic;
        traffic.repaired_shards.fetch_add(1, Ordering::Relaxed);
        if repair.whole {
            traffic.whole_shards.fetch_add(1, Ordering::Relaxed);
        }
        self.link.peer.heal.lock().sent(repair.frame.len() as u64, repair.whole);
        gathered.extend_from_slice(&repair.frame);
        if gathered.len() >= MESSAGE_BYTES {
            self.flush(std::mem::take(gathered)).await?;
        }
        Ok(())
    }

    /// None: the peer lacks nothing, or what it lacks is too large to be sent. Where values have to come from the disk, nobody
    /// else waits for it.
    async fn make_repair(&self, number: ShardNumber, have: &Clock) -> Result<Option<Repair>, Status> {
        let tier = Arc::clone(&self.link.tier);
        let now = tier.store.lock(number).clock().clone();
        // It is as large as it was.
        if !have.includes(&now) && self.too_large.lock().get(&number) == Some(&now) {
            return Ok(None);
        }
        let made = if tier.store.lock(number).has_cold() {
            let have = have.clone();
            let making = tokio::task::spawn_blocking(move || repair(&tier, number, &have)).await;
            making.map_err(|error| Status::internal(error.to_string()))?
        } else {
            repair(&tier, number, have)
        };
        match made {
            Ok(repair) => {
                self.too_large.lock().remove(&number);
                Ok(repair)
            }
            Err(NotRepaired::TooLarge { bytes }) => {
                tracing::error!(
                    peer = self.link.peer.member,
                    shard = number.get(),
                    bytes,
                    bytes_max = self.link.tier.options.frame_bytes_max,
                    "a shard is too large to be sent, so that the peer lacks some of it: raise eventual.frame_bytes_max on every \
                     member, or delete something"
                );
                self.too_large.lock().insert(number, now);
                Ok(None)
            }
            Err(NotRepaired::Lost(lost)) => Err(Status::data_loss(lost.to_string())),
        }
    }

    async fn flush(&self, gathered: Vec<u8>) -> Result<(), Status> {
        if gathered.is_empty() {
            return Ok(());
        }
        self.frames(Bytes::from(gathered)).await
    }

    async fn frames(&self, frames: Bytes) -> Result<(), Status> {
        self.link
            .peer
            .traffic
            .sent_bytes
            .fetch_add(frames.len() as u64, Ordering::Relaxed);
        if frames.len() <= PART_BYTES + FRAME_HEAD_BYTES {
            return self.send(Message::Frames(frames)).await;
        }
        let mut rest = frames;
        while !rest.is_empty() {
            let data = rest.split_to(PART_BYTES.min(rest.len()));
            let last = rest.is_empty();
            self.send(Message::Part(proto::PushPart { data, last })).await?;
        }
        Ok(())
    }

    async fn beat(&self, echo: Echo, shards: Bytes) -> Result<(), Status> {
        if !self.caught_up && self.link.tier.is_caught_up() {
            return Err(Status::aborted(
                "what came from others meanwhile goes with the opening of another stream",
            ));
        }
        let freshness = &self.link.peer.freshness;
        let beat = proto::PushBeat {
            ping_us: self.link.tier.monotonic_us(),
            echo_us: echo.ping_us,
            echo_process: echo.of.map_or(0, |process| process.0),
            had_all_us: echo.had_all_us,
            complete: freshness.has_sent_all() && self.too_large.lock().is_empty(),
            caught_up: self.caught_up,
            shards,
        };
        self.send(Message::Beat(beat)).await
    }

    async fn send(&self, content: Message) -> Result<(), Status> {
        let sent = self.outbox.send(message(content)).await;
        sent.map_err(|_| Status::unavailable("the stream has ended"))
    }
}
