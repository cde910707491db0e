//! Clients with caches of every coherence read what others write, while members are killed, paused, cut off and given
//! snapshots.

mod keys;
mod reader;
mod report;
mod shared;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate::{CacheSettings, Client};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::witnessed;
use super::witnessed::{MEMBERS, WITNESS};
use crate::HarnessError;
use crate::cache_check::{Coherence, History, Summary, check};
use crate::cluster::Cluster;
use crate::nemesis::{Ability, FaultKind, Nemesis, Pace};
use crate::watchers::Clock;

use reader::Reader;
use shared::{CHANGES, Shared};
use writer::Writer;

pub use report::CacheReport;

/// Clients that only write.
const WRITERS: u64 = 3;

/// Tasks that share a client with its cache.
const TASKS: u64 = 2;

/// A cache for fewer keys than there are drops some of them.
const ENTRIES_MAX: u64 = 40;

/// Of relaxed caches.
const TTL: Duration = Duration::from_millis(300);

/// A call that waits for longer is given up: the point is what is answered.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// What is done to members; partitions only where the machine allows them.
const FAULTS: [FaultKind; 4] = [
    FaultKind::Kill,
    FaultKind::Pause,
    FaultKind::Install,
    FaultKind::Isolate,
];

/// Clients read from caches while faults happen.
#[derive(Clone, Copy, Debug)]
pub struct CacheRounds {
    /// Clients that read: a quarter without a cache, and a quarter of each coherence.
    pub clients: u64,
    /// How long faults go on; each kind happens at least once.
    pub seconds: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

impl CacheRounds {
    /// Runs it on three members and a learner; `progress` gets a line for each fault.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<CacheReport, HarnessError> {
        let CacheRounds { clients, seconds, seed } = self;
        progress(format!("cache-rounds: {clients} clients, {seconds} s, seed {seed}"));
        let (planned, lacking) = Ability::of_this_machine().divide(&FAULTS, MEMBERS);
        for (kind, reason) in lacking {
            progress(format!(
                "there is no fault {kind:?}, since this machine refuses it: {reason}"
            ));
        }
        let cluster = witnessed::cluster(&planned, String::new()).await?;
        let admin = cluster.client().await?;
        keys::make_domains(&admin).await?;
        admin.close().await;
        let mut random = SmallRng::seed_from_u64(seed);
        let clock = Clock::default();
        let shared = Arc::new(Shared::new(clock));
        let mut history = History {
            coherent: [keys::COHERENT.to_owned()].into(),
            ..History::default()
        };
        let mut running = JoinSet::new();
        for number in 0..clients {
            let coherence = coherence(number);
            history.clients.insert(number, coherence);
            let client = connect(&cluster, number, coherence).await?;
            for task in 0..TASKS {
                let reader = Reader::new(number, task, client.clone(), Arc::clone(&shared), random.random());
                running.spawn(reader.run());
            }
        }
        for number in clients..clients + WRITERS {
            history.clients.insert(number, Coherence::Uncached);
            let client = connect(&cluster, number, Coherence::Uncached).await?;
            running.spawn(Writer::new(number, 0, client, Arc::clone(&shared), random.random()).run());
        }
        let mut nemesis = Nemesis::new(cluster, Some(WITNESS), clock, random.random());
        shared.wait_for_more("before the first fault").await?;
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end || !nemesis.tally().is_complete(&planned) {
            let fault = nemesis.next(&planned, shared.as_ref()).await?;
            progress(format!("{fault}; {} reads were answered", shared.reads.lock().len()));
        }
        shared.stop();
        while let Some(ended) = running.join_next().await {
            ended.map_err(|error| HarnessError::Broken(format!("a client stopped: {error}")))?;
        }
        let faults = nemesis.tally();
        let (cluster, records) = nemesis.end();
        progress("the faults are over, and the log is read".to_owned());
        let (truth, state) = witnessed::truth(cluster).await?;
        history.reads = std::mem::take(&mut *shared.reads.lock());
        history.writes = std::mem::take(&mut *shared.writes.lock());
        history.attempts = *shared.attempts.lock();
        history.faults = records.iter().map(|record| (record.began, record.ended)).collect();
        let summary = check(&history, &truth).into_result().map_err(HarnessError::Broken)?;
        demand(&summary, &shared)?;
        Ok(CacheReport {
            summary,
            faults,
            planned,
            state,
        })
    }
}

/// A run in which something never happened has shown nothing about it.
fn demand(summary: &Summary, shared: &Shared) -> Result<(), HarnessError> {
    let done = shared.done.lock();
    let counts: BTreeMap<&str, bool> = [
        (
            "hits while something was done to a member",
            summary.hits_during_faults > 0,
        ),
        ("hits of coherent keys", summary.coherent_hits > 0),
        ("hits of relaxed caches", summary.relaxed_hits > 0),
        ("look-ups of what was not there", summary.attempts.not_cached > 0),
        (
            "changes of each kind",
            CHANGES.iter().all(|change| done.contains_key(change)),
        ),
    ]
    .into();
    let missing: Vec<&&str> = counts
        .iter()
        .filter(|(_, there)| !**there)
        .map(|(what, _)| what)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "the run had no {missing:?}: {summary:?}, {done:?}"
        ))),
    }
}

fn coherence(number: u64) -> Coherence {
    match number % 4 {
        0 => Coherence::Eventual,
        1 => Coherence::Strong,
        2 => Coherence::Relaxed { ttl: TTL },
        _ => Coherence::Uncached,
    }
}

/// Its caches are met first at different members.
async fn connect(cluster: &Cluster, number: u64, coherence: Coherence) -> Result<Client, HarnessError> {
    let mut endpoints = cluster.endpoints();
    let first = usize::try_from(number).unwrap_or(0) % endpoints.len();
    endpoints.rotate_left(first);
    let settings = CacheSettings::new().entries_max(ENTRIES_MAX);
    let settings = match coherence {
        Coherence::Uncached => None,
        Coherence::Eventual => Some(settings),
        // Other domains are none that it can hold like that.
        Coherence::Strong => Some(settings.coherence_of(keys::COHERENT, quorate::Coherence::Strong)),
        Coherence::Relaxed { ttl } => Some(settings.coherence(quorate::Coherence::Relaxed).ttl(ttl)),
    };
    let mut builder = Client::builder().endpoints(endpoints).call_timeout(CALL_TIMEOUT);
    if let Some(settings) = settings {
        builder = builder.cache(settings);
    }
    let client = builder.name("cache-rounds").connect().await;
    client.map_err(HarnessError::call("connect a client with a cache"))
}
