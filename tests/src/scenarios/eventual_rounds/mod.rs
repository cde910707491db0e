//! Many clients write to the eventual tier while members are killed, wiped, paused and cut off from one another.

mod hops;
mod keys;
mod nemesis;
mod port;
mod report;
mod writers;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use quorate::Client;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::cluster::{Cluster, Network, Settings};
use crate::eventual_check::{History, State, check};
use crate::{HarnessError, wait};

use nemesis::Nemesis;
use writers::Writers;

pub use nemesis::EventualFaults;
pub use report::EventualReport;

/// What is promised: members that reach one another again have the same within it.
const EQUAL_WITHIN: Duration = Duration::from_secs(5);

/// Differences between members that are compared again and again are noticed within it.
const COMPARED_TWICE: Duration = Duration::from_millis(2500);

/// Clients write while faults happen.
#[derive(Clone, Copy, Debug)]
pub struct EventualRounds {
    /// Writers at a time.
    pub writers: u64,
    /// How long faults go on; each kind happens at least once.
    pub seconds: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

impl EventualRounds {
    /// Runs it on three members; `progress` gets a line for each fault.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<EventualReport, HarnessError> {
        let EventualRounds { writers, seconds, seed } = self;
        progress(format!("eventual-rounds: {writers} writers, {seconds} s, seed {seed}"));
        let partitions = match Network::possible() {
            Ok(()) => true,
            Err(reason) => {
                progress(format!(
                    "no member is cut off from the others, since this machine refuses it: {reason}"
                ));
                false
            }
        };
        let settings = Settings {
            own_network: partitions,
            ..Settings::of(3)
        };
        let cluster = Cluster::start_with(settings).await?;
        keys::make_domains(&cluster.client().await?).await?;
        let mut random = SmallRng::seed_from_u64(seed);
        let writers = Writers::start(&cluster, writers, random.random()).await?;
        let mut nemesis = Nemesis::new(cluster, random.random()).await?;
        writers.wait_for_more("before the first fault").await?;
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end || !nemesis.faults.is_complete(partitions) {
            let began = Instant::now();
            let line = nemesis.next(&writers, partitions).await?;
            progress(format!("{line}, over after {:.1} s", began.elapsed().as_secs_f32()));
            writers.wait_for_more("between two faults").await?;
        }
        self.verdict(nemesis, writers, partitions, &mut progress).await
    }

    /// The last fault is a partition that is healed when everybody has stopped writing.
    async fn verdict(
        self,
        mut nemesis: Nemesis,
        writers: Writers,
        partitions: bool,
        progress: &mut impl FnMut(String),
    ) -> Result<EventualReport, HarnessError> {
        if partitions {
            nemesis.begin_cut(1, false)?;
            writers.wait_for_more("while a member is cut off").await?;
        }
        let (writes, hops) = writers.stop().await?;
        if partitions {
            nemesis.cluster.heal()?;
        }
        progress("the faults are over, and nobody writes".to_owned());
        let mut history = History {
            writes,
            hops,
            kills: nemesis.kills.clone(),
            evens: nemesis.evens.clone(),
            states: BTreeMap::new(),
        };
        let equal = until_equal(&nemesis.cluster, &mut history.states).await;
        let summary = check(&history).into_result();
        let outcome = match (equal, summary) {
            (Ok(equal_after), Ok(summary)) => Ok((equal_after, summary)),
            // A violation says more than that something took too long.
            (_, Err(illegal)) => Err(HarnessError::Broken(illegal)),
            (Err(late), Ok(_)) => Err(late),
        };
        let (equal_after, summary) = outcome.inspect_err(|_| match self.keep(&history) {
            Ok(path) => progress(format!("what happened is in {}", path.display())),
            Err(error) => progress(format!("what happened could not be kept: {error}")),
        })?;
        tokio::time::sleep(COMPARED_TWICE).await;
        nemesis.check_diverged().await?;
        nemesis.cluster.check_nobody_ended()?;
        Ok(EventualReport {
            summary,
            faults: nemesis.faults,
            partitions,
            equal_after,
        })
    }

    /// One line for each thing that happened.
    fn keep(&self, history: &History) -> Result<PathBuf, HarnessError> {
        let path = std::env::temp_dir().join(format!("eventual-rounds-{}.jsonl", self.seed));
        let file = std::fs::File::create(&path).map_err(HarnessError::io(format!("create {}", path.display())))?;
        let mut out = std::io::BufWriter::new(file);
        let lines = history
            .writes
            .iter()
            .map(serde_json::to_string)
            .chain(history.hops.iter().map(serde_json::to_string))
            .chain(history.kills.iter().map(serde_json::to_string))
            .chain(history.evens.iter().map(serde_json::to_string))
            .chain(history.states.iter().map(|(member, state)| {
                let rows: Vec<_> = state.iter().collect();
                serde_json::to_string(&(member, rows))
            }));
        for line in lines {
            let line = line.map_err(|error| HarnessError::Broken(error.to_string()))?;
            writeln!(out, "{line}").map_err(HarnessError::io("write what happened"))?;
        }
        out.flush().map_err(HarnessError::io("write what happened"))?;
        Ok(path)
    }
}

/// How long that took. What the members have is in `states`, whether they agree or not.
async fn until_equal(cluster: &Cluster, states: &mut BTreeMap<u64, State>) -> Result<Duration, HarnessError> {
    let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
    for id in cluster.ids() {
        clients.insert(id, cluster.client_of(id).await?);
    }
    let began = Instant::now();
    wait::until("all members to have the same", EQUAL_WITHIN, async || {
        for (id, client) in &clients {
            let state = keys::state_of(client).await.map_err(|error| error.to_string())?;
            states.insert(*id, state);
        }
        let mut all = states.values();
        let first = all.next();
        match all.all(|state| Some(state) == first) {
            true => Ok(()),
            false => Err("they differ".to_owned()),
        }
    })
    .await?;
    Ok(began.elapsed())
}
