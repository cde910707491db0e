//! Where a workload is played.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use quorate::Client;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Workload;
use crate::HarnessError;
use crate::journal::{Answer, Journal, Operation};
use crate::watchers::Clock;

/// A call that waits for longer is given up: the point is what is answered.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Some clients give up before a new leader is there: what became of their calls they do not learn.
const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(500);

/// How often clients ask who the members are, who are all replaced in time.
pub(super) const REFRESH_MEMBERS: Duration = Duration::from_secs(2);

/// Between two attempts to connect while nobody answers.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Of so many clients that may be impatient one is.
const IMPATIENT_EVERY: u64 = 3;

/// Where clients find members; members come and go while a run goes on.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<RwLock<Vec<String>>>);

impl Endpoints {
    /// `host:port` of each member.
    pub fn all(&self) -> Vec<String> {
        self.0.read().clone()
    }

    /// From now on it is these.
    pub fn set(&self, endpoints: Vec<String>) {
        *self.0.write() = endpoints;
    }
}

/// Hands out turns, so many a second.
#[derive(Debug)]
pub struct Turns {
    every: Duration,
    next: Mutex<Instant>,
}

impl Turns {
    /// `per_second` turns, at least one.
    pub fn new(per_second: u64) -> Turns {
        Turns {
            every: Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(u32::MAX),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a turn. Turns that nobody took are lost.
    async fn take(&self) {
        let turn = {
            let mut next = self.next.lock();
            let turn = (*next).max(Instant::now());
            *next = turn + self.every;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

/// Members, a clock, a journal and turns. Clones share them.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where the members are.
    pub endpoints: Endpoints,
    /// That of the journal.
    pub clock: Clock,
    /// What is written down.
    pub journal: Arc<Journal>,
    /// Whoever plays stops when it becomes true.
    pub stop: watch::Receiver<bool>,
    seed: u64,
    turns: Arc<Turns>,
    clients: Arc<AtomicU64>,
}

impl Ground {
    /// A ground for one workload. Numbers of clients are drawn from `clients`, which all workloads share.
    pub fn new(
        endpoints: Endpoints,
        clock: Clock,
        journal: Arc<Journal>,
        stop: watch::Receiver<bool>,
        seed: u64,
        turns: Turns,
        clients: Arc<AtomicU64>,
    ) -> Ground {
        Ground {
            endpoints,
            clock,
            journal,
            stop,
            seed,
            turns: Arc::new(turns),
            clients,
        }
    }

    /// The same ground with turns of its own.
    pub fn with_turns(&self, turns: Turns) -> Ground {
        Ground {
            turns: Arc::new(turns),
            ..self.clone()
        }
    }

    /// The number of a client that nobody has yet: for each task that makes calls, its own.
    pub fn client_number(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::AcqRel)
    }

    /// A client of the SDK that meets another member first than the one before it.
    pub async fn connect(&self, number: u64) -> Result<Client, HarnessError> {
        connect(self.endpoints_from(number), CALL_TIMEOUT).await
    }

    /// The same, but some of these clients give up so soon that they do not learn what became of their calls.
    pub async fn connect_impatient(&self, number: u64) -> Result<Client, HarnessError> {
        let timeout = match number % IMPATIENT_EVERY {
            0 => IMPATIENT_TIMEOUT,
            _ => CALL_TIMEOUT,
        };
        connect(self.endpoints_from(number), timeout).await
    }

    /// The same while things are done to members: tries again until somebody answers; none once the run is over.
    pub async fn connect_again(&self, number: u64) -> Option<Client> {
        while !self.is_stopped() {
            match self.connect(number).await {
                Ok(client) => return Some(client),
                Err(_nobody_answers) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
        None
    }

    /// A client of the SDK that knows these addresses.
    pub async fn connect_to(&self, endpoints: Vec<String>) -> Result<Client, HarnessError> {
        connect(endpoints, CALL_TIMEOUT).await
    }

    /// Where the members are, another one first for each number.
    pub fn endpoints_from(&self, number: u64) -> Vec<String> {
        let mut endpoints = self.endpoints.all();
        let first = usize::try_from(number).unwrap_or(0) % endpoints.len().max(1);
        endpoints.rotate_left(first);
        endpoints
    }

    /// What a client draws its decisions from: another for each number, and the same in each run of a seed.
    pub fn random(&self, number: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Waits until another operation may begin; false once the run is over.
    pub async fn turn(&self) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => false,
            () = self.turns.take() => !self.is_stopped(),
        }
    }

    /// Whether the run is over.
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Makes a call and writes it down. `client` is the number of who makes it, one call at a time.
    pub async fn call<W: Workload>(
        &self,
        client: u64,
        call: W::Call,
        calling: impl Future<Output = Result<W::Answer, quorate::Error>>,
    ) -> Answer<W::Answer> {
        let invoked = self.clock.now();
        let answer = Answer::of(calling.await);
        self.record::<W>(client, invoked, call, answer)
    }

    /// Writes down a call that began at `invoked` and was answered just now; returns the answer.
    pub fn record<W: Workload>(
        &self,
        client: u64,
        invoked: Duration,
        call: W::Call,
        answer: Answer<W::Answer>,
    ) -> Answer<W::Answer> {
        let operation = Operation {
            client,
            invoked,
            returned: self.clock.now(),
            call,
            answer,
        };
        self.journal.record::<W>(&operation);
        operation.answer
    }
}

async fn connect(endpoints: Vec<String>, call_timeout: Duration) -> Result<Client, HarnessError> {
    let builder = Client::builder().endpoints(endpoints).name("campaign");
    let lasting = builder.refresh_members(REFRESH_MEMBERS);
    let client = lasting.call_timeout(call_timeout).connect().await;
    client.map_err(HarnessError::call("connect a client of a workload"))
}
