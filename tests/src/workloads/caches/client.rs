//! Clients with a cache and without, which read at every level and write now and then.

use std::time::Duration;

use quorate::{CacheSettings, Client, Error, ErrorKind, Op, Tier};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use super::super::crew::Crew;
use super::{COHERENT, CachedKey, Caches, CachesAnswer, CachesCall, PLAIN, PREFIX};
use crate::HarnessError;
use crate::cache_check::{Asked, Coherence, Seen, ask, look_up};
use crate::journal::Text;
use crate::workloads::Ground;
use crate::workloads::ground::REFRESH_MEMBERS;

/// Of relaxed caches.
const TTL: Duration = Duration::from_millis(300);

/// One client for each.
const CACHES: [Coherence; 6] = [
    Coherence::Eventual,
    Coherence::Strong,
    Coherence::Relaxed { ttl: TTL },
    Coherence::Uncached,
    Coherence::Strong,
    Coherence::Eventual,
];

/// Keys of each domain: few, so that what is cached is written.
const KEYS: u64 = 10;

/// A cache for fewer keys than there are drops some of them.
const ENTRIES_MAX: u64 = 16;

/// Bounds of reads, in milliseconds.
const BOUNDS_MS: [u64; 5] = [10, 50, 200, 1_000, 5_000];

const CALL_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    make_domain(&ground).await?;
    let mut crew = Crew::default();
    for coherence in CACHES {
        let number = ground.client_number();
        let reader = Reader {
            number,
            client: connect(&ground, number, coherence).await?,
            coherence,
            random: ground.random(number),
            ground: ground.clone(),
            written: 0,
        };
        crew.add(reader.play());
    }
    crew.join().await
}

async fn make_domain(ground: &Ground) -> Result<(), HarnessError> {
    let client = ground.connect(0).await?;
    // Nothing is done to members before some calls were answered.
    let made = client.domains().create(COHERENT, Tier::Strong).coherent(true).await;
    match made {
        Err(error) if *error.kind() == ErrorKind::DomainExists => {}
        made => drop(made.map_err(HarnessError::call("make the coherent domain"))?),
    }
    client.close().await;
    Ok(())
}

async fn connect(ground: &Ground, number: u64, coherence: Coherence) -> Result<Client, HarnessError> {
    let settings = CacheSettings::new().entries_max(ENTRIES_MAX);
    let settings = match coherence {
        Coherence::Uncached => None,
        Coherence::Eventual => Some(settings),
        // Other domains are none that it can hold like that.
        Coherence::Strong => Some(settings.coherence_of(COHERENT, quorate::Coherence::Strong)),
        Coherence::Relaxed { ttl } => Some(settings.coherence(quorate::Coherence::Relaxed).ttl(ttl)),
    };
    let mut builder = Client::builder()
        .endpoints(ground.endpoints_from(number))
        .refresh_members(REFRESH_MEMBERS);
    if let Some(settings) = settings {
        builder = builder.cache(settings);
    }
    let client = builder.call_timeout(CALL_TIMEOUT).name("caches").connect().await;
    client.map_err(HarnessError::call("connect a client with a cache"))
}

struct Reader {
    number: u64,
    client: Client,
    coherence: Coherence,
    random: SmallRng,
    ground: Ground,
    written: u64,
}

impl Reader {
    async fn play(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            match self.random.random_range(0..100) {
                0..15 => self.put().await,
                15..20 => self.delete().await,
                _ => self.read().await,
            }
        }
        self.client.close().await;
        Ok(())
    }

    fn key(&mut self) -> CachedKey {
        let coherent = self.random.random_bool(0.5);
        CachedKey {
            domain: (if coherent { COHERENT } else { PLAIN }).to_owned(),
            key: format!("{PREFIX}{}", self.random.random_range(0..KEYS)),
        }
    }

    async fn put(&mut self) {
        self.written += 1;
        let mut at = vec![self.key()];
        let other = self.key();
        if self.random.random_bool(0.3) && !at.contains(&other) {
            at.push(other);
        }
        let call = CachesCall::Put {
            coherence: self.coherence,
            at: at.clone(),
            value: format!("{}.{}", self.number, self.written),
        };
        let CachesCall::Put { value, .. } = &call else { return };
        let calling = put(&self.client, &at, value.clone());
        self.ground.call::<Caches>(self.number, call.clone(), calling).await;
    }

    async fn delete(&mut self) {
        let at = self.key();
        let call = CachesCall::Delete {
            coherence: self.coherence,
            at: at.clone(),
        };
        let calling = delete(&self.client, &at);
        self.ground.call::<Caches>(self.number, call, calling).await;
    }

    async fn read(&mut self) {
        let bound = Duration::from_millis(*BOUNDS_MS.choose(&mut self.random).unwrap_or(&1_000));
        let asked = match self.random.random_range(0..100) {
            0..20 => Asked::Strong,
            20..55 => Asked::Bounded(bound),
            55..70 => Asked::Local,
            70..80 => Asked::CacheOnly(None),
            _ => Asked::CacheOnly(Some(bound)),
        };
        // Whoever has no cache would look up nothing.
        let asked = match (asked, self.coherence) {
            (Asked::CacheOnly(_), Coherence::Uncached) => Asked::Local,
            (asked, _) => asked,
        };
        let at = self.key();
        let call = CachesCall::Read {
            coherence: self.coherence,
            at: at.clone(),
            asked,
        };
        let in_a_hurry = self.random.random_bool(0.5);
        let calling = read(&self.client, &at, asked, in_a_hurry);
        self.ground.call::<Caches>(self.number, call, calling).await;
    }
}

async fn put(client: &Client, at: &[CachedKey], value: String) -> Result<CachesAnswer, Error> {
    let mut txn = client.txn();
    for CachedKey { domain, key } in at {
        txn = txn.then(Op::put(key.clone(), value.clone()).domain(domain.clone()));
    }
    let revision = txn.await?.revision;
    Ok(CachesAnswer::Written { revision })
}

async fn delete(client: &Client, CachedKey { domain, key }: &CachedKey) -> Result<CachesAnswer, Error> {
    let reply = client.delete(key.clone()).domain(domain.clone()).await?;
    Ok(match reply.deleted {
        0 => CachesAnswer::Absent,
        _ => CachesAnswer::Written {
            revision: reply.revision,
        },
    })
}

async fn read(client: &Client, at: &CachedKey, asked: Asked, in_a_hurry: bool) -> Result<CachesAnswer, Error> {
    let place = at.place();
    let seen = match asked {
        Asked::CacheOnly(Some(bound)) if in_a_hurry => look_up(client, &place, bound),
        asked => ask(client, &place, asked).await?,
    };
    Ok(seen.map_or(CachesAnswer::NotCached, answer))
}

fn answer(seen: Seen) -> CachesAnswer {
    CachesAnswer::Seen {
        source: seen.source,
        revision: seen.revision,
        record: seen.record.map(|(revision, value)| (revision, Text(value))),
        staleness: seen.staleness,
    }
}
