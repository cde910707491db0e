//! Clients that write everything at once: half through the SDK, half over plain gRPC.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hops::Hopper;
use super::keys::{PLACES, key};
use super::port::Port;
use crate::cluster::Cluster;
use crate::eventual_check::{Change, Hop, Key, Kind, Outcome, Write};
use crate::{HarnessError, wait};

/// Between two writes of a writer, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 5..40;

/// Clients that SDK writers share.
const SDK_CLIENTS: usize = 3;

/// Clients that take their tokens from member to member.
const HOPPERS: u64 = 3;

/// Writes that must have come through before it is gone on.
const MORE: u64 = 100;

const PATIENCE: Duration = Duration::from_secs(30);

/// What all clients share.
pub(super) struct Shared {
    pub(super) began: Instant,
    pub(super) writes: Mutex<Vec<Write>>,
    pub(super) hops: Mutex<Vec<Hop>>,
    acked: AtomicU64,
    stopped: watch::Sender<bool>,
}

impl Shared {
    /// Microseconds since the run began.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// All clients of a run.
pub(super) struct Writers {
    shared: Arc<Shared>,
    running: JoinSet<()>,
}

impl Writers {
    pub(super) async fn start(cluster: &Cluster, writers: u64, seed: u64) -> Result<Writers, HarnessError> {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            writes: Mutex::default(),
            hops: Mutex::default(),
            acked: AtomicU64::new(0),
            stopped: watch::Sender::new(false),
        });
        let mut random = SmallRng::seed_from_u64(seed);
        let mut clients = Vec::new();
        for _ in 0..SDK_CLIENTS {
            clients.push(cluster.client().await?);
        }
        let mut running = JoinSet::new();
        for number in 0..writers {
            let mut ports = Vec::new();
            if number % 2 == 0 {
                ports.extend(clients.choose(&mut random).cloned().map(Port::Sdk));
            } else {
                // Two members: what is read at one is written over at the other.
                let mut ids = cluster.ids();
                let first = usize::try_from(number).unwrap_or(0) % ids.len();
                ids.rotate_left(first);
                for id in ids.into_iter().take(2) {
                    ports.push(Port::raw(id, cluster.member(id)?.client_address())?);
                }
            }
            let writer = Writer {
                number,
                ports,
                random: SmallRng::seed_from_u64(random.random()),
                shared: Arc::clone(&shared),
                written: 0,
                inserted: Vec::new(),
            };
            running.spawn(writer.run());
        }
        for number in 0..HOPPERS {
            let hopper = Hopper::new(cluster, number, random.random(), Arc::clone(&shared)).await?;
            running.spawn(hopper.run());
        }
        Ok(Writers { shared, running })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until more has been acknowledged.
    pub(super) async fn wait_for_more(&self, when: &str) -> Result<(), HarnessError> {
        let before = self.shared.acked.load(Ordering::Acquire);
        wait::until(&format!("{MORE} writes {when}"), PATIENCE, async || {
            let more = self.shared.acked.load(Ordering::Acquire) - before;
            (more >= MORE).then_some(()).ok_or(format!("there were {more}"))
        })
        .await
    }

    /// Ends all and gives what they did.
    pub(super) async fn stop(mut self) -> Result<(Vec<Write>, Vec<Hop>), HarnessError> {
        self.shared.stopped.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            ended.map_err(|error| HarnessError::Broken(format!("a writer stopped: {error}")))?;
        }
        let writes = std::mem::take(&mut *self.shared.writes.lock());
        let hops = std::mem::take(&mut *self.shared.hops.lock());
        Ok((writes, hops))
    }
}

struct Writer {
    number: u64,
    ports: Vec<Port>,
    random: SmallRng,
    shared: Arc<Shared>,
    written: u64,
    /// What it has added to sets.
    inserted: Vec<(Key, String)>,
}

impl Writer {
    async fn run(mut self) {
        while !self.shared.is_stopped() {
            self.write().await;
            let pause = Duration::from_millis(self.random.random_range(PAUSE_MS));
            tokio::time::sleep(pause).await;
        }
    }

    async fn write(&mut self) {
        let place = *PLACES.choose(&mut self.random).unwrap_or(&PLACES[0]);
        let mut key = key(place, self.random.random());
        self.written += 1;
        let unique = format!("w{}-{}", self.number, self.written);
        let reader = self.random.random_range(0..self.ports.len());
        let port = self.random.random_range(0..self.ports.len());
        let mut context = None;
        let change = match place.1 {
            Kind::Siblings => {
                let chance = self.random.random_range(0..10);
                let mut over = None;
                if chance > 1
                    && let Some((held, seen)) = self.ports[reader].read(&key).await
                {
                    over = Some(held.values);
                    context = Some(seen);
                }
                match over {
                    Some(over) if chance == 9 => Change::Delete { over },
                    over => Change::Put { value: unique, over },
                }
            }
            Kind::LastWrite | Kind::Union => Change::Put {
                value: unique,
                over: None,
            },
            Kind::Max => Change::Put {
                value: (self.shared.now_us() * 1_000 + self.number).to_string(),
                over: None,
            },
            Kind::Counter => Change::Add(self.random.random_range(1..10)),
            Kind::Set => match self.inserted.pop() {
                Some((place, member)) if self.random.random_bool(0.5) => {
                    key = place;
                    Change::Remove(member)
                }
                _ => Change::Insert(unique),
            },
        };
        let acks = self.random.random_range(1..=2);
        let port = &self.ports[port];
        let began_us = self.shared.now_us();
        let answer = port.write(&key, &change, context.as_ref(), acks).await;
        let mut ended_us = self.shared.now_us();
        match &answer.outcome {
            Outcome::Acked(_) => {
                self.shared.acked.fetch_add(1, Ordering::AcqRel);
                if let Change::Insert(member) = &change {
                    self.inserted.push((key.clone(), member.clone()));
                }
            }
            // It may be done yet: a member that stood still goes on with what it was sent.
            Outcome::Unknown(_) => ended_us = u64::MAX,
            Outcome::Refused(_) => {}
        }
        let write = Write {
            writer: self.number,
            key,
            change,
            member: answer.member,
            once: port.sends_once(),
            began_us,
            ended_us,
            outcome: answer.outcome,
        };
        self.shared.writes.lock().push(write);
    }
}
