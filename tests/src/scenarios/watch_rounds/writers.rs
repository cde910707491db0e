//! Clients that write, each a few kinds of things, and remember what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate::{Client, Error, Keys, NewItem, Op, QueueConfig};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::PATIENCE;
use crate::cluster::Cluster;
use crate::nemesis::Pace;
use crate::watch_check::{Ack, Acks, Event, KeyKind, Truth};
use crate::watchers::Clock;
use crate::{HarnessError, wait};

/// Clients at a time.
const WRITERS: u64 = 4;

/// Between two writes of a client, in milliseconds: the point is interleaving with faults, not load.
const PAUSE_MS: std::ops::Range<u64> = 2..12;

/// Revisions between two steps of a run.
const STEP: u64 = 60;

/// Life of what goes by itself, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 300..1500;

/// A transaction of so many values of so many bytes is more than fits into one message when it is deleted with what was
/// there before.
const BULK_KEYS: u64 = 84;
const BULK_BYTES: usize = 16 << 10;

/// What a client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Put,
    Delete,
    Transaction,
    Expiring,
    Leased,
    Lock,
    Queue,
    Worker,
    Bulk,
}

const KINDS: [Kind; 9] = [
    Kind::Put,
    Kind::Delete,
    Kind::Transaction,
    Kind::Expiring,
    Kind::Leased,
    Kind::Lock,
    Kind::Queue,
    Kind::Worker,
    Kind::Bulk,
];

/// A write that was acknowledged, and one key of it as it was written.
#[derive(Clone, Debug)]
struct Write {
    ack: Ack,
    key: Bytes,
    /// None where it was deleted.
    value: Option<Bytes>,
}

/// What writers share.
#[derive(Debug, Default)]
struct Shared {
    writes: Mutex<Vec<Write>>,
    done: Mutex<BTreeMap<Kind, u64>>,
    newest: Arc<AtomicU64>,
}

/// Writers that run until they are told to stop.
pub(super) struct Writers {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// What was acknowledged.
pub(super) struct Written(Vec<Write>);

impl Writers {
    pub(super) async fn start(cluster: &Cluster, clock: Clock, seed: u64) -> Result<Writers, HarnessError> {
        let shared = Arc::<Shared>::default();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let client = cluster.client().await?;
            let queue = client.queue("work").create_if_missing(QueueConfig::default()).await;
            queue.map_err(HarnessError::call("create the queue"))?;
            let writer = Writer {
                client,
                number,
                clock,
                random: SmallRng::seed_from_u64(seed ^ number),
                shared: Arc::clone(&shared),
                written: 0,
            };
            tasks.spawn(writer.run(stopped.clone()));
        }
        Ok(Writers { shared, stop, tasks })
    }

    /// The newest revision that was acknowledged to any of them.
    pub(super) fn newest(&self) -> &Arc<AtomicU64> {
        &self.shared.newest
    }

    /// Waits until the newest revision is at least this.
    pub(super) async fn wait_for_revision(&self, revision: u64) -> Result<(), HarnessError> {
        self.wait_for(revision, "writes at the end").await
    }

    async fn wait_for(&self, goal: u64, condition: &str) -> Result<(), HarnessError> {
        wait::until(condition, PATIENCE, async || {
            match self.newest().load(Ordering::Acquire) {
                newest if newest >= goal => Ok(()),
                newest => Err(format!("revision {newest} of {goal}")),
            }
        })
        .await
    }

    /// Lets every writer finish its call. An error if something never succeeded.
    pub(super) async fn stop(&mut self) -> Result<Written, HarnessError> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|error| HarnessError::Broken(format!("a writer stopped: {error}")))?;
        }
        let done = self.shared.done.lock();
        let missing: Vec<Kind> = KINDS.into_iter().filter(|kind| !done.contains_key(kind)).collect();
        match missing.is_empty() {
            true => Ok(Written(std::mem::take(&mut self.shared.writes.lock()))),
            false => Err(HarnessError::Broken(format!("not one of these succeeded: {missing:?}"))),
        }
    }
}

impl Pace for Writers {
    async fn wait_for_more(&self, moment: &str) -> Result<(), HarnessError> {
        let goal = self.newest().load(Ordering::Acquire) + STEP;
        self.wait_for(goal, &format!("writes {moment}")).await
    }
}

impl Written {
    pub(super) fn acknowledged(&self) -> usize {
        self.0.len()
    }

    pub(super) fn acks(&self) -> Acks {
        Acks::new(self.0.iter().map(|write| write.ack))
    }

    /// Every one of them is in the log, at its revision.
    pub(super) fn check(&self, truth: &Truth) -> Result<(), HarnessError> {
        for write in &self.0 {
            let events = truth.events(write.ack.revision);
            let found = events.iter().any(|event| match (event, &write.value) {
                (Event::Key(event), Some(value)) => {
                    event.kind == KeyKind::Put && event.record.key == write.key && event.record.value == *value
                }
                (Event::Key(event), None) => event.kind == KeyKind::Delete && event.record.key == write.key,
                (Event::Other(_), _) => false,
            });
            if !found {
                return Err(HarnessError::Broken(format!(
                    "acknowledged write lost: {write:?}; the log has {events:?} at its revision"
                )));
            }
        }
        Ok(())
    }
}

struct Writer {
    client: Client,
    number: u64,
    clock: Clock,
    random: SmallRng,
    shared: Arc<Shared>,
    written: u64,
}

impl Writer {
    async fn run(mut self, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let kind = self.choose();
            // What fails meanwhile is not acknowledged; whether it was done is the log's to say.
            if self.write(kind).await.is_ok() {
                *self.shared.done.lock().entry(kind).or_default() += 1;
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        }
        self.client.close().await;
    }

    fn choose(&mut self) -> Kind {
        match self.random.random_range(0..1000) {
            0..450 => Kind::Put,
            450..550 => Kind::Delete,
            550..750 => Kind::Transaction,
            750..820 => Kind::Expiring,
            820..870 => Kind::Leased,
            870..920 => Kind::Lock,
            920..960 => Kind::Queue,
            960..997 => Kind::Worker,
            _ => Kind::Bulk,
        }
    }

    async fn write(&mut self, kind: Kind) -> Result<(), Error> {
        match kind {
            Kind::Put => self.put().await,
            Kind::Delete => self.delete().await,
            Kind::Transaction => self.transaction().await,
            Kind::Expiring => self.expiring().await,
            Kind::Leased => self.leased().await,
            Kind::Lock => self.lock().await,
            Kind::Queue => self.queue().await,
            Kind::Worker => self.worker().await,
            Kind::Bulk => self.bulk().await,
        }
    }

    async fn put(&mut self) -> Result<(), Error> {
        let (key, value) = (self.key(), self.value());
        let shared = self.random.random_bool(0.1);
        let domain = if shared { "shared" } else { "default" };
        let invoked = self.clock.now();
        let reply = self.client.put(key.clone(), value.clone()).domain(domain).await?;
        self.acknowledged(invoked, reply.revision, key, Some(value));
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Error> {
        let key = self.key();
        let invoked = self.clock.now();
        let reply = self.client.delete(key.clone()).await?;
        if reply.deleted > 0 {
            self.acknowledged(invoked, reply.revision, key, None);
        }
        Ok(())
    }

    async fn transaction(&mut self) -> Result<(), Error> {
        let (job, value) = (self.random.random_range(0..7), self.value());
        let state = Bytes::from(format!("jobs/{job}/state"));
        let mut txn = self.client.txn().then(Op::put(state.clone(), value.clone()));
        txn = txn.then(Op::put(format!("jobs/{job}/log"), value.clone()));
        if self.random.random_bool(0.5) {
            txn = txn.then(Op::delete(format!("cfg/{}", self.random.random_range(0..5))));
        }
        let invoked = self.clock.now();
        let reply = txn.await?;
        self.acknowledged(invoked, reply.revision, state, Some(value));
        Ok(())
    }

    async fn expiring(&mut self) -> Result<(), Error> {
        let key = Bytes::from(format!("tmp/{}", self.random.random_range(0..8)));
        let value = self.value();
        let life = Duration::from_millis(self.random.random_range(LIFE_MS));
        let invoked = self.clock.now();
        let reply = self.client.put(key.clone(), value.clone()).ttl(life).await?;
        self.acknowledged(invoked, reply.revision, key, Some(value));
        Ok(())
    }

    /// Two keys that go with a lease, which is revoked or left to expire.
    async fn leased(&mut self) -> Result<(), Error> {
        let life = Duration::from_millis(self.random.random_range(1000..2000));
        let lease = self.client.grant_lease(life).await?.lease;
        for number in 0..2 {
            let (key, value) = (Bytes::from(format!("held/{number}")), self.value());
            let invoked = self.clock.now();
            let reply = self.client.put(key.clone(), value.clone()).lease(lease).await?;
            self.acknowledged(invoked, reply.revision, key, Some(value));
        }
        if self.random.random_bool(0.6) {
            self.client.revoke_lease(lease).await?;
        }
        Ok(())
    }

    async fn lock(&mut self) -> Result<(), Error> {
        let name = format!("lock/{}", self.random.random_range(0..3));
        let lock = self.client.lock(name).ttl(Duration::from_secs(2));
        match lock.acquire_within(Duration::from_millis(300)).await? {
            Some(guard) => guard.release().await,
            None => Ok(()),
        }
    }

    async fn queue(&mut self) -> Result<(), Error> {
        let queue = self.client.queue("work");
        queue.push_all([NewItem::new("a"), NewItem::new("b")]).await?;
        for item in queue.claim(4).await? {
            match self.random.random_bool(0.8) {
                true => item.ack().await?,
                false => drop(item.nack().await?),
            }
        }
        Ok(())
    }

    /// A worker comes, has a task for a moment, and goes; some tasks are left to wait for it.
    async fn worker(&mut self) -> Result<(), Error> {
        let worker = format!("worker/{}", self.number);
        let task = format!("task/{}/{}", self.number, self.random.random_range(0..3));
        let session = self.client.session(Duration::from_secs(2)).await?;
        self.client.register_worker(&worker, &session).capacity(4).await?;
        let assigned = self.client.assign(&task).to(&worker).await?;
        if self.random.random_bool(0.6) {
            self.client.cancel_task(&task, Some(assigned.generation)).await?;
        }
        session.end().await
    }

    /// Many long values in one revision, and all of them gone in another.
    async fn bulk(&mut self) -> Result<(), Error> {
        let mut txn = self.client.txn();
        for number in 0..BULK_KEYS {
            let value = vec![b'a' + (self.written % 26) as u8; BULK_BYTES];
            txn = txn.then(Op::put(format!("bulk/{}/{number}", self.number), value));
        }
        txn.await?;
        self.client
            .delete(Keys::prefix(format!("bulk/{}/", self.number)))
            .await?;
        Ok(())
    }

    fn key(&mut self) -> Bytes {
        Bytes::from(match self.random.random_range(0..3) {
            0 => format!("jobs/{}/state", self.random.random_range(0..7)),
            1 => format!("jobs/{}/log", self.random.random_range(0..7)),
            _ => format!("cfg/{}", self.random.random_range(0..5)),
        })
    }

    /// Unique in the run.
    fn value(&mut self) -> Bytes {
        self.written += 1;
        Bytes::from(format!("{}.{}", self.number, self.written))
    }

    fn acknowledged(&self, invoked: Duration, revision: u64, key: Bytes, value: Option<Bytes>) {
        let ack = Ack {
            invoked,
            returned: self.clock.now(),
            revision,
        };
        self.shared.newest.fetch_max(revision, Ordering::AcqRel);
        self.shared.writes.lock().push(Write { ack, key, value });
    }
}
