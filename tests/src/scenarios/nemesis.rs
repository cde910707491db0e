//! What is done to the members.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::{IteratorRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::witnessed::{PATIENCE, WITNESS, wait_for_status};
use crate::cluster::Cluster;
use crate::watchers::Clock;
use crate::{HarnessError, wait};

/// How long a member stands still, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 500..3000;

/// How long a member is cut off at least, in milliseconds.
const CUT_MS: std::ops::Range<u64> = 1000..3000;

/// What a member's log says when it installs a snapshot.
const INSTALLING: &str = "installing a snapshot";

/// Faults that happened, and that the cluster got over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// SIGKILL.
    pub kills: u64,
    /// SIGSTOP for a while.
    pub pauses: u64,
    /// Members that did not reach the others, while clients reached them.
    pub cuts: u64,
    /// Members that were away for so long that they were given a snapshot.
    pub snapshots: u64,
}

impl Faults {
    /// Each kind has happened; cuts only where they are possible.
    pub fn is_complete(&self, partitions: bool) -> bool {
        self.kills > 0 && self.pauses > 0 && self.snapshots > 0 && (self.cuts > 0 || !partitions)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Cut,
    Snapshot,
}

/// Those whose writes say that the cluster goes on.
pub(super) trait Pace {
    /// Waits until some more revisions were made: without a majority this never comes.
    async fn wait_for_more(&self, moment: &str) -> Result<(), HarnessError>;
}

/// Does one fault after the other to a cluster.
pub(super) struct Nemesis {
    cluster: Cluster,
    random: SmallRng,
    /// What is left of the present round, in which each fault stands once.
    round: Vec<Fault>,
    faults: Faults,
    clock: Clock,
    /// From when to when something was being done to a member.
    times: Vec<(Duration, Duration)>,
}

impl Nemesis {
    pub(super) fn new(cluster: Cluster, clock: Clock, seed: u64) -> Nemesis {
        Nemesis {
            cluster,
            random: SmallRng::seed_from_u64(seed),
            round: Vec::new(),
            faults: Faults::default(),
            clock,
            times: Vec::new(),
        }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults
    }

    pub(super) fn end(self) -> (Cluster, Faults, Vec<(Duration, Duration)>) {
        (self.cluster, self.faults, self.times)
    }

    /// The next fault, from its beginning until its victim has caught up. Returns what happened.
    pub(super) async fn next(&mut self, pace: &impl Pace, partitions: bool) -> Result<String, HarnessError> {
        if self.round.is_empty() {
            self.round = vec![Fault::Kill, Fault::Pause, Fault::Snapshot];
            if partitions {
                self.round.push(Fault::Cut);
            }
            self.round.shuffle(&mut self.random);
        }
        let fault = self.round.pop().unwrap_or(Fault::Kill);
        let leader = self.cluster.wait_for_leader().await?;
        let victim = self.victim(leader)?;
        let began = self.clock.now();
        match fault {
            Fault::Kill => self.kill(victim, pace).await?,
            Fault::Pause => self.pause(victim).await?,
            Fault::Cut => self.cut(victim, pace).await?,
            Fault::Snapshot => self.snapshot(victim, pace, partitions).await?,
        }
        self.times.push((began, self.clock.now()));
        self.catch_up(victim).await?;
        let role = if victim == leader { "leader" } else { "follower" };
        Ok(format!("{fault:?} of {role} {victim}"))
    }

    /// The leader half of the time.
    fn victim(&mut self, leader: u64) -> Result<u64, HarnessError> {
        if self.random.random_bool(0.5) {
            return Ok(leader);
        }
        let others = self
            .cluster
            .ids()
            .into_iter()
            .filter(|id| *id != leader && *id != WITNESS);
        let victim = others.choose(&mut self.random);
        victim.ok_or_else(|| HarnessError::Broken("there is nobody but the leader".to_owned()))
    }

    async fn kill(&mut self, victim: u64, pace: &impl Pace) -> Result<(), HarnessError> {
        self.cluster.kill9(victim)?;
        pace.wait_for_more("while a member is dead").await?;
        self.cluster.restart(victim)?;
        self.faults.kills += 1;
        Ok(())
    }

    async fn pause(&mut self, victim: u64) -> Result<(), HarnessError> {
        self.cluster.pause(victim).await?;
        tokio::time::sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        self.cluster.resume(victim)?;
        self.faults.pauses += 1;
        Ok(())
    }

    async fn cut(&mut self, victim: u64, pace: &impl Pace) -> Result<(), HarnessError> {
        self.cut_off(victim)?;
        tokio::time::sleep(Duration::from_millis(self.random.random_range(CUT_MS))).await;
        pace.wait_for_more("while a member is cut off").await?;
        self.cluster.heal()?;
        self.faults.cuts += 1;
        Ok(())
    }

    fn cut_off(&mut self, victim: u64) -> Result<(), HarnessError> {
        let others: Vec<u64> = self.cluster.ids().into_iter().filter(|id| *id != victim).collect();
        self.cluster.cut(victim, &others)
    }

    /// The victim is away until the others have forgotten what it lacks. Where it can be cut off it lives meanwhile, with
    /// its watches.
    async fn snapshot(&mut self, victim: u64, pace: &impl Pace, partitions: bool) -> Result<(), HarnessError> {
        let before = self.installed(victim)?;
        match partitions {
            true => self.cut_off(victim)?,
            false => self.cluster.kill9(victim)?,
        }
        pace.wait_for_more("while a member is away").await?;
        let has = match partitions {
            true => {
                self.cluster
                    .status(victim)
                    .await
                    .map_err(HarnessError::Broken)?
                    .log_last_index
            }
            false => 0,
        };
        for other in self
            .cluster
            .ids()
            .into_iter()
            .filter(|id| *id != victim && *id != WITNESS)
        {
            let condition = format!("member {other} to forget what {victim} lacks");
            let status = wait_for_status(&self.cluster, &condition, other, |status| {
                (status.log_first_index > has + 1).then_some(())
            });
            status.await?;
        }
        match partitions {
            true => self.cluster.heal()?,
            false => self.cluster.restart(victim)?,
        }
        wait::until(
            &format!("member {victim} to install a snapshot"),
            PATIENCE,
            async || match self.installed(victim) {
                Ok(installed) if installed > before => Ok(()),
                Ok(_) => Err("it has not".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        )
        .await?;
        self.faults.snapshots += 1;
        Ok(())
    }

    /// Times that a member has begun to install a snapshot.
    fn installed(&self, id: u64) -> Result<usize, HarnessError> {
        let path = self.cluster.member(id)?.log();
        let log = std::fs::read(&path).map_err(HarnessError::io(format!("read {}", path.display())))?;
        Ok(String::from_utf8_lossy(&log).matches(INSTALLING).count())
    }

    async fn catch_up(&mut self, victim: u64) -> Result<(), HarnessError> {
        let leader = self.cluster.wait_for_leader().await?;
        let status = self.cluster.status(leader).await.map_err(HarnessError::Broken)?;
        self.cluster.wait_until_applied(victim, status.applied_index).await?;
        self.cluster.check_nobody_ended()
    }
}
