//! What is done to the members of a running cluster, with proof that it happened.
//!
//! | family | kinds |
//! |---|---|
//! | `processes` | kill, kill-all, pause, pause-majority |
//! | `partitions` | isolate, halves, mute, deaf, bridge, ring, flap |
//! | `packets` | loss, delay, narrow |
//! | `clocks` | clock |
//! | `disks` | disk-low, disk-full |
//! | `membership` | join, replace |
//! | `upkeep` | transfer, rolling-restart, snapshot, install, compact |
//!
//! A fault goes from its beginning until the cluster has got over it: somebody leads, every member has what the leader had,
//! and writes are acknowledged again. Meanwhile it is observed, and the record of a fault says what was seen: that another
//! member led, that a packet was lost, that a clock showed another time. What was not seen did not happen, and is an error.
//!
//! Invariants: all that is random comes from one seed; one fault at a time; the witness, a learner that keeps its whole log,
//! is never a victim; when a fault is over nothing of it is left. Keys that begin with [`KEYS`] belong to it.

mod ability;
mod clocks;
mod disks;
mod kind;
mod membership;
mod packets;
mod partitions;
mod processes;
mod record;
mod sight;
mod upkeep;

use std::future::Future;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::{IteratorRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use crate::HarnessError;
use crate::cluster::Cluster;
use crate::watchers::Clock;

pub use ability::Ability;
pub use kind::FaultKind;
pub use record::{FaultRecord, Tally};

/// Keys that begin like this are written by faults.
pub const KEYS: &str = "nemesis/";

/// Elections, restarts and a slow machine together stay far below.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those whose writes say that the cluster goes on.
pub trait Pace {
    /// Waits until some more revisions were made: without a majority this never comes.
    fn wait_for_more(&self, moment: &str) -> impl Future<Output = Result<(), HarnessError>>;
}

/// Whom a fault is to hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Whoever leads.
    Leader,
    /// A voter that does not.
    Follower,
    /// The leader half of the time.
    Either,
}

/// Does one fault after the other to a cluster.
#[derive(Debug)]
pub struct Nemesis {
    cluster: Cluster,
    witness: Option<u64>,
    random: SmallRng,
    clock: Clock,
    /// What is left of the present round, in which each kind of the plan stands once.
    round: Vec<FaultKind>,
    records: Vec<FaultRecord>,
    /// Ids are never used again.
    newest_id: u64,
}

/// How things stand when a fault begins.
#[derive(Clone, Copy, Debug)]
struct Scene {
    leader: u64,
    term: u64,
    victim: u64,
}

/// What a fault was.
struct Happened {
    victims: Vec<u64>,
    evidence: String,
}

impl Nemesis {
    /// Takes over a cluster whose members, but the witness, are voters. Times of records are those of the clock.
    pub fn new(cluster: Cluster, witness: Option<u64>, clock: Clock, seed: u64) -> Nemesis {
        let newest_id = cluster.ids().into_iter().max().unwrap_or(0);
        Nemesis {
            cluster,
            witness,
            random: SmallRng::seed_from_u64(seed),
            clock,
            round: Vec::new(),
            records: Vec::new(),
            newest_id,
        }
    }

    /// The cluster. Between two faults all its members run.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What happened so far.
    pub fn records(&self) -> &[FaultRecord] {
        &self.records
    }

    /// How often each kind happened.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.records)
    }

    /// The cluster again, and what happened to it.
    pub fn end(self) -> (Cluster, Vec<FaultRecord>) {
        (self.cluster, self.records)
    }

    /// A fault of the plan: each kind once, in random order, then each once more.
    pub async fn next(&mut self, plan: &[FaultKind], pace: &impl Pace) -> Result<FaultRecord, HarnessError> {
        if self.round.is_empty() {
            self.round = plan.to_vec();
            self.round.shuffle(&mut self.random);
        }
        let kind = self.round.pop();
        let kind = kind.ok_or_else(|| HarnessError::Broken("a plan without faults".to_owned()))?;
        self.once(kind, pace).await
    }

    /// One fault, from its beginning until the cluster got over it. It hits the leader half of the time.
    pub async fn once(&mut self, kind: FaultKind, pace: &impl Pace) -> Result<FaultRecord, HarnessError> {
        self.aimed(kind, Aim::Either, pace).await
    }

    /// [`once`](Self::once), with a choice of whom it hits.
    pub async fn aimed(&mut self, kind: FaultKind, aim: Aim, pace: &impl Pace) -> Result<FaultRecord, HarnessError> {
        let scene = self.scene(aim).await?;
        let began = self.clock.now();
        let happened = match self.inflict(kind, scene, pace).await {
            Ok(happened) => happened,
            Err(error) => {
                let tails = self.cluster.log_tails();
                return Err(HarnessError::Broken(format!("{kind} of {scene:?}: {error}\n{tails}")));
            }
        };
        self.recover(kind, pace).await?;
        let record = FaultRecord {
            kind,
            leader_hit: happened.victims.contains(&scene.leader),
            victims: happened.victims,
            began,
            ended: self.clock.now(),
            evidence: happened.evidence,
        };
        self.records.push(record.clone());
        Ok(record)
    }

    async fn inflict(&mut self, kind: FaultKind, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        match kind {
            FaultKind::Kill => self.kill(scene, pace).await,
            FaultKind::KillAll => self.kill_all(scene).await,
            FaultKind::Pause => self.pause(scene, pace).await,
            FaultKind::PauseMajority => self.pause_majority(scene).await,
            FaultKind::Isolate => self.isolate(scene, pace).await,
            FaultKind::Halves => self.halves(scene, pace).await,
            FaultKind::Mute => self.mute(scene, pace).await,
            FaultKind::Deaf => self.deaf(scene, pace).await,
            FaultKind::Bridge => self.bridge(scene, pace).await,
            FaultKind::Ring => self.ring(scene, pace).await,
            FaultKind::Flap => self.flap(scene, pace).await,
            FaultKind::Loss => self.loss(scene, pace).await,
            FaultKind::Delay => self.delay(scene, pace).await,
            FaultKind::Narrow => self.narrow(scene, pace).await,
            FaultKind::Clock => self.clock_jumps(scene, pace).await,
            FaultKind::DiskLow => self.disk_low(scene, pace).await,
            FaultKind::DiskFull => self.disk_full(scene, pace).await,
            FaultKind::Join => self.join(scene, pace).await,
            FaultKind::Replace => self.replace(scene, pace).await,
            FaultKind::Transfer => self.transfer(scene).await,
            FaultKind::RollingRestart => self.rolling_restart(scene, pace).await,
            FaultKind::Snapshot => self.snapshot(scene).await,
            FaultKind::Install => self.install(scene, pace).await,
            FaultKind::Compact => self.compact(scene).await,
        }
    }

    async fn scene(&mut self, aim: Aim) -> Result<Scene, HarnessError> {
        let (leader, term) = self.leader_and_term().await?;
        let leading = match aim {
            Aim::Leader => true,
            Aim::Follower => false,
            Aim::Either => self.random.random_bool(0.5),
        };
        if leading {
            return Ok(Scene {
                leader,
                term,
                victim: leader,
            });
        }
        let others = self.voters().into_iter().filter(|id| *id != leader);
        let victim = others.choose(&mut self.random);
        let alone = || HarnessError::Broken("there is nobody but the leader".to_owned());
        Ok(Scene {
            leader,
            term,
            victim: victim.ok_or_else(alone)?,
        })
    }

    /// Waits until somebody leads, all have what the leader has then, and writes go on.
    async fn recover(&mut self, kind: FaultKind, pace: &impl Pace) -> Result<(), HarnessError> {
        let leader = self.cluster.wait_for_leader().await?;
        let applied = self.status(leader).await?.applied_index;
        for id in self.cluster.ids() {
            self.cluster.wait_until_applied(id, applied).await?;
        }
        self.cluster.check_nobody_ended()?;
        self.demand_whole_log(kind).await?;
        pace.wait_for_more(&format!("after {kind}")).await
    }

    /// Without the log of the witness a run has no verdict: better to know it now than in the end.
    async fn demand_whole_log(&mut self, kind: FaultKind) -> Result<(), HarnessError> {
        let Some(witness) = self.witness else { return Ok(()) };
        let first = self.status(witness).await?.log_first_index;
        if first > 1 {
            return Err(HarnessError::Broken(format!(
                "after {kind} the log of the witness begins with entry {first}"
            )));
        }
        Ok(())
    }

    /// Every member but the witness.
    fn voters(&self) -> Vec<u64> {
        let ids = self.cluster.ids().into_iter();
        ids.filter(|id| Some(*id) != self.witness).collect()
    }

    /// Every member but these.
    fn all_but(&self, some: &[u64]) -> Vec<u64> {
        let ids = self.cluster.ids().into_iter();
        ids.filter(|id| !some.contains(id)).collect()
    }

    /// Voters that are a quorum.
    fn quorum(&self) -> usize {
        self.voters().len() / 2 + 1
    }

    /// The victim and others, so many voters in all, in random order.
    fn with_others(&mut self, victim: u64, count: usize) -> Vec<u64> {
        let mut others = self.voters();
        others.retain(|id| *id != victim);
        others.shuffle(&mut self.random);
        others.truncate(count.saturating_sub(1));
        others.push(victim);
        others
    }

    /// Waits for a random time.
    async fn linger(&mut self, ms: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.random.random_range(ms))).await;
    }
}
