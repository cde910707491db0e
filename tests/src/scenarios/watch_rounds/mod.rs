//! Many watchers while members are killed, paused, cut off and given snapshots, and history is compacted.

mod report;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate::Client;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::HarnessError;
use crate::nemesis::{Ability, FaultKind, Nemesis, Pace};
use crate::watch_check::{Summary, Truth, Verdict, Watcher, check};
use crate::watchers::{Clock, Connected, FUTURE, RawStream, SdkWatcher, Whims, random_asked};

use super::witnessed;
use super::witnessed::{MEMBERS, PATIENCE, WITNESS};
use writers::Writers;

pub use report::WatchReport;

/// A stream that pauses for longer is cancelled as lagging, if much is waiting for it.
const STALL_MS_MAX: u64 = 1000;

/// Watches that share a stream.
const WATCHES_PER_STREAM_MAX: usize = 4;

/// Clients that SDK watchers share.
const SDK_CLIENTS: usize = 4;

/// Between two compactions, in milliseconds.
const COMPACT_EVERY: std::ops::Range<u64> = 100..200;

/// Revisions that a compaction leaves, at most.
const LEFT_MAX: u64 = 250;

/// What is done to members; partitions only where the machine allows them.
const FAULTS: [FaultKind; 4] = [
    FaultKind::Kill,
    FaultKind::Pause,
    FaultKind::Install,
    FaultKind::Isolate,
];

/// Watchers follow while faults happen.
#[derive(Clone, Copy, Debug)]
pub struct WatchRounds {
    /// Watchers at a time.
    pub watchers: u64,
    /// How long faults go on; each kind happens at least once.
    pub seconds: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

impl WatchRounds {
    /// Runs it on three members and a learner; `progress` gets a line for each fault.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<WatchReport, HarnessError> {
        let WatchRounds {
            watchers,
            seconds,
            seed,
        } = self;
        progress(format!("watch-rounds: {watchers} watchers, {seconds} s, seed {seed}"));
        let (faults, lacking) = Ability::of_this_machine().divide(&FAULTS, MEMBERS);
        for (kind, reason) in lacking {
            progress(format!(
                "there is no fault {kind:?}, since this machine refuses it: {reason}"
            ));
        }
        let mut run = Run::begin(self, faults).await?;
        run.faults(&mut progress).await?;
        run.verdict(&mut progress).await
    }
}

struct Run {
    plan: WatchRounds,
    plan_of_faults: Vec<FaultKind>,
    random: SmallRng,
    clock: Clock,
    nemesis: Nemesis,
    writers: Writers,
    compacting: JoinHandle<u64>,
    stop_compacting: watch::Sender<bool>,
    watchers: JoinSet<Result<Vec<Watcher>, HarnessError>>,
    connected: Vec<Connected>,
    due: watch::Sender<Option<u64>>,
    client: Client,
}

impl Run {
    async fn begin(plan: WatchRounds, plan_of_faults: Vec<FaultKind>) -> Result<Run, HarnessError> {
        let more_toml = format!("[limits]\nwatch_stall_ms_max = {STALL_MS_MAX}\n");
        let cluster = witnessed::cluster(&plan_of_faults, more_toml).await?;
        let client = cluster.client().await?;
        let clock = Clock::default();
        let mut random = SmallRng::seed_from_u64(plan.seed);
        let writers = Writers::start(&cluster, clock, random.random()).await?;
        let (stop_compacting, stopped) = watch::channel(false);
        let newest = Arc::clone(writers.newest());
        let compacting = tokio::spawn(compact(cluster.client().await?, newest, random.random(), stopped));
        let (due, _) = watch::channel(None);
        let mut run = Run {
            plan,
            plan_of_faults,
            nemesis: Nemesis::new(cluster, Some(WITNESS), clock, random.random()),
            random,
            clock,
            writers,
            compacting,
            stop_compacting,
            watchers: JoinSet::new(),
            connected: Vec::new(),
            due,
            client,
        };
        run.start_watchers().await?;
        run.writers.wait_for_more("before the first fault").await?;
        Ok(run)
    }

    /// Half of them over plain gRPC, and half through the SDK.
    async fn start_watchers(&mut self) -> Result<(), HarnessError> {
        let raw = self.plan.watchers / 2;
        self.start_raw(usize::try_from(raw).unwrap_or(usize::MAX));
        let mut clients = Vec::new();
        for _ in 0..SDK_CLIENTS {
            clients.push(self.nemesis.cluster().client().await?);
        }
        for number in raw..self.plan.watchers {
            let watcher = SdkWatcher {
                name: format!("sdk-{number}"),
                clients: clients.clone(),
                wants: random_asked,
                whims: self.random_whims(),
                seed: self.random.random(),
                clock: self.clock,
                newest: Arc::clone(self.writers.newest()),
                due: self.due.subscribe(),
            };
            self.watchers.spawn(watcher.run());
        }
        Ok(())
    }

    fn start_raw(&mut self, mut left: usize) {
        let endpoints = self.nemesis.cluster().endpoints();
        for number in 0.. {
            let watchers = self.random.random_range(1..=WATCHES_PER_STREAM_MAX).min(left);
            if watchers == 0 {
                break;
            }
            left -= watchers;
            let mut endpoints = endpoints.clone();
            let first = number % endpoints.len();
            endpoints.rotate_left(first);
            let connected = Connected::default();
            self.connected.push(connected.clone());
            let stream = RawStream {
                name: format!("raw-{number}"),
                endpoints,
                watchers,
                whims: self.random_whims(),
                seed: self.random.random(),
                clock: self.clock,
                newest: Arc::clone(self.writers.newest()),
                due: self.due.subscribe(),
                connected,
            };
            self.watchers.spawn(stream.run());
        }
    }

    fn random_whims(&mut self) -> Whims {
        match self.random.random_range(0..4) {
            0 => Whims::None,
            1 => Whims::Slow,
            _ => Whims::Restless,
        }
    }

    /// One fault after the other until the time is over and each kind has happened.
    async fn faults(&mut self, progress: &mut impl FnMut(String)) -> Result<(), HarnessError> {
        let end = Instant::now() + Duration::from_secs(self.plan.seconds);
        while Instant::now() < end || !self.nemesis.tally().is_complete(&self.plan_of_faults) {
            self.check_watchers()?;
            let fault = self.nemesis.next(&self.plan_of_faults, &self.writers).await?;
            let watches: u64 = self.connected.iter().map(Connected::watches).sum();
            let newest = self.writers.newest().load(Ordering::Acquire);
            progress(format!("{fault}; revision {newest}, {watches} raw watches are there"));
        }
        Ok(())
    }

    /// A watcher that has stopped already was told what it does not understand.
    fn check_watchers(&mut self) -> Result<(), HarnessError> {
        match self.watchers.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(ended) => Err(HarnessError::Broken(format!("watchers ended by themselves: {ended:?}"))),
        }
    }

    /// Ends everything in order, and judges what every watcher was told.
    async fn verdict(mut self, progress: &mut impl FnMut(String)) -> Result<WatchReport, HarnessError> {
        let due = self.writers.newest().load(Ordering::Acquire) + FUTURE;
        self.due.send_replace(Some(due));
        self.writers.wait_for_revision(due).await?;
        let mut watchers = Vec::new();
        let finished = tokio::time::timeout(PATIENCE, async {
            while let Some(ended) = self.watchers.join_next().await {
                let told = ended.map_err(|error| HarnessError::Broken(format!("a watcher stopped: {error}")))?;
                watchers.extend(told?);
            }
            Ok::<(), HarnessError>(())
        });
        let finished = match finished.await {
            Ok(finished) => finished,
            Err(_) => Err(HarnessError::TimedOut {
                condition: format!("every watcher to have everything up to revision {due}"),
                after: PATIENCE,
                last_seen: format!("{} streams go on", self.watchers.len()),
            }),
        };
        self.watchers.shutdown().await;
        self.stop_compacting.send_replace(true);
        let compacting = (&mut self.compacting).await;
        let compactions =
            compacting.map_err(|error| HarnessError::Broken(format!("the compactor stopped: {error}")))?;
        self.client.close().await;
        let writes = self.writers.stop().await?;
        let faults = self.nemesis.tally();
        let (cluster, _) = self.nemesis.end();
        progress(format!(
            "the faults are over; {} watchers have ended, and the log is read",
            watchers.len()
        ));
        let (truth, state) = witnessed::truth(cluster).await?;
        writes.check(&truth)?;
        let summary = judge(&watchers, &truth, &writes)?;
        // A violation, if there is one, says more than that somebody waits.
        finished?;
        demand(&summary, self.plan.watchers, compactions)?;
        Ok(WatchReport {
            summary,
            faults,
            planned: self.plan_of_faults,
            compactions,
            writes: writes.acknowledged(),
            revisions: truth.last(),
            state,
        })
    }
}

fn judge(watchers: &[Watcher], truth: &Truth, writes: &writers::Written) -> Result<Summary, HarnessError> {
    let verdict: Verdict = check(watchers, truth, &writes.acks());
    verdict.into_result().map_err(HarnessError::Broken)
}

/// A run in which something never happened has shown nothing about it.
fn demand(summary: &Summary, watchers: u64, compactions: u64) -> Result<(), HarnessError> {
    let enough = [
        ("watchers", summary.watchers as u64 >= watchers),
        ("resumes", summary.incarnations > summary.watchers),
        ("marks", summary.marks > 0),
        ("watches that were refused as compacted", summary.compacted > 0),
        ("compactions", compactions > 0),
        ("revisions in parts", summary.parts > 0),
    ];
    let missing: Vec<&str> = enough
        .iter()
        .filter(|(_, enough)| !enough)
        .map(|(what, _)| *what)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "the run had no, or too few, {missing:?}: {summary:?}"
        ))),
    }
}

/// Compacts up to shortly before the newest revision, again and again; returns how often it did.
async fn compact(client: Client, newest: Arc<AtomicU64>, seed: u64, stopped: watch::Receiver<bool>) -> u64 {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut compactions = 0;
    while !*stopped.borrow() {
        let left = random.random_range(0..LEFT_MAX);
        let revision = newest.load(Ordering::Acquire).saturating_sub(left);
        // Without a leader, or below what was compacted before, it is not done.
        if revision > 1 && client.compact(revision).await.is_ok() {
            compactions += 1;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(COMPACT_EVERY))).await;
    }
    client.close().await;
    compactions
}
