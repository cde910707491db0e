//! What happens to members, and what must be so again after it.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate::{Client, SyncStatus};
use rand::rngs::SmallRng;
use rand::seq::{IteratorRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::writers::{Shared, Writers};
use crate::cluster::Cluster;
use crate::eventual_check::{Even, Kill};
use crate::{HarnessError, wait};

/// How long a member stands still, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 500..3000;

/// How long members are cut off: so long that they notice, and are apart for more than the second that makes a report.
const CUT_MS: std::ops::Range<u64> = 3500..5500;

/// A connection that was cut is made anew within it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Faults that happened, and that the cluster got over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventualFaults {
    /// SIGKILL.
    pub kills: u64,
    /// Kills whose member had lost its eventual data on disk, too, when it was started again.
    pub wipes: u64,
    /// SIGSTOP for a while.
    pub pauses: u64,
    /// Kills of a member that was cut off: what clients had written there was nowhere else.
    pub lonely_kills: u64,
    /// Members that did not reach the others, nor the others them.
    pub cuts: u64,
    /// Members that did not reach the others, while the others' packets reached them.
    pub one_way_cuts: u64,
    /// Reports of partitions.
    pub heals: u64,
}

impl EventualFaults {
    /// Each kind has happened; cuts only where they are possible.
    pub fn is_complete(&self, partitions: bool) -> bool {
        let cuts = self.cuts > 0 && self.one_way_cuts > 0 && self.lonely_kills > 0;
        self.kills > 0 && self.wipes > 0 && self.pauses > 0 && (cuts || !partitions)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Wipe,
    Pause,
    Cut,
    CutOneWay,
    CutAndKill,
}

/// Does one fault after the other to a cluster.
pub(super) struct Nemesis {
    pub(super) cluster: Cluster,
    admin: Client,
    random: SmallRng,
    /// What is left of the present round, in which each fault stands once.
    round: Vec<Fault>,
    pub(super) faults: EventualFaults,
    pub(super) kills: Vec<Kill>,
    pub(super) evens: Vec<Even>,
}

impl Nemesis {
    pub(super) async fn new(cluster: Cluster, seed: u64) -> Result<Nemesis, HarnessError> {
        Ok(Nemesis {
            admin: cluster.client().await?,
            cluster,
            random: SmallRng::seed_from_u64(seed),
            round: Vec::new(),
            faults: EventualFaults::default(),
            kills: Vec::new(),
            evens: Vec::new(),
        })
    }

    /// The next fault, from its beginning until all are even again. Returns what happened.
    pub(super) async fn next(&mut self, writers: &Writers, partitions: bool) -> Result<String, HarnessError> {
        if self.round.is_empty() {
            self.round = vec![Fault::Kill, Fault::Wipe, Fault::Pause];
            if partitions {
                self.round.extend([Fault::Cut, Fault::CutOneWay, Fault::CutAndKill]);
            }
            self.round.shuffle(&mut self.random);
        }
        let fault = self.round.pop().unwrap_or(Fault::Kill);
        let victim = self.cluster.ids().into_iter().choose(&mut self.random).unwrap_or(1);
        match fault {
            Fault::Kill | Fault::Wipe => self.kill(victim, fault == Fault::Wipe, writers).await?,
            Fault::Pause => self.pause(victim).await?,
            Fault::CutAndKill => self.cut_and_kill(victim, writers).await?,
            Fault::Cut | Fault::CutOneWay => self.cut(victim, fault == Fault::CutOneWay, writers).await?,
        }
        let took = self.until_even(writers.shared()).await?;
        self.check_diverged().await?;
        self.cluster.check_nobody_ended()?;
        Ok(format!("{fault:?} of {victim}, even after {:.1} s", took.as_secs_f32()))
    }

    async fn kill(&mut self, victim: u64, wipe: bool, writers: &Writers) -> Result<(), HarnessError> {
        let began_us = writers.shared().now_us();
        self.cluster.kill9(victim)?;
        self.kills.push(Kill {
            member: victim,
            began_us,
            ended_us: writers.shared().now_us(),
        });
        writers.wait_for_more("while a member is dead").await?;
        if wipe {
            let path = self.cluster.member(victim)?.data_directory().join("eventual");
            if path.exists() {
                let erased = std::fs::remove_dir_all(&path);
                erased.map_err(HarnessError::io(format!("erase {}", path.display())))?;
            }
            self.faults.wipes += 1;
        }
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

    async fn cut(&mut self, victim: u64, one_way: bool, writers: &Writers) -> Result<(), HarnessError> {
        let before = self.statuses().await?;
        self.begin_cut(victim, one_way)?;
        tokio::time::sleep(Duration::from_millis(self.random.random_range(CUT_MS))).await;
        writers.wait_for_more("while a member is cut off").await?;
        self.cluster.heal()?;
        self.until_reported(victim, &before).await?;
        match one_way {
            true => self.faults.one_way_cuts += 1,
            false => self.faults.cuts += 1,
        }
        Ok(())
    }

    /// What only the victim has is lost. Its connections have to be given up first: what was sent on them waits in the
    /// kernel, which outlives the process.
    async fn cut_and_kill(&mut self, victim: u64, writers: &Writers) -> Result<(), HarnessError> {
        self.begin_cut(victim, false)?;
        tokio::time::sleep(Duration::from_millis(self.random.random_range(CUT_MS))).await;
        writers.wait_for_more("while a member is cut off").await?;
        let wipe = self.random.random_bool(0.5);
        self.kill(victim, wipe, writers).await?;
        self.cluster.heal()?;
        self.faults.lonely_kills += 1;
        Ok(())
    }

    pub(super) fn begin_cut(&mut self, victim: u64, one_way: bool) -> Result<(), HarnessError> {
        let others: Vec<u64> = self.cluster.ids().into_iter().filter(|id| *id != victim).collect();
        match one_way {
            true => self.cluster.cut_one_way(victim, &others),
            false => self.cluster.cut(victim, &others),
        }
    }

    /// Both sides of each pair that was apart say so, and that something was merged: clients wrote on both sides.
    async fn until_reported(&mut self, victim: u64, before: &BTreeMap<u64, SyncStatus>) -> Result<(), HarnessError> {
        let since = |id: u64, status: &SyncStatus| {
            let known = before.get(&id).and_then(|status| status.heals.last());
            let last = known.map_or(0, |heal| heal.healed_at_ms);
            let heals = status.heals.iter().filter(|heal| heal.healed_at_ms > last);
            heals.cloned().collect::<Vec<_>>()
        };
        let reports = wait::until("reports of the partition from both sides", PATIENCE, async || {
            let mut reports = Vec::new();
            for (id, status) in self.statuses().await.map_err(|error| error.to_string())? {
                reports.extend(since(id, &status));
            }
            for other in self.cluster.ids().into_iter().filter(|id| *id != victim) {
                for (member, peer) in [(victim, other), (other, victim)] {
                    if !reports.iter().any(|heal| (heal.member, heal.peer) == (member, peer)) {
                        return Err(format!("{member} has reported nothing of {peer}: {reports:?}"));
                    }
                }
            }
            Ok(reports)
        })
        .await?;
        self.faults.heals += reports.len() as u64;
        // What came from one side may have come from either of its members.
        let merged = |member: u64| -> u64 {
            let of_member = reports.iter().filter(|heal| heal.member == member);
            of_member.map(|heal| heal.merged).sum()
        };
        if self.cluster.ids().into_iter().any(|id| merged(id) == 0) {
            return Err(HarnessError::Broken(format!(
                "clients wrote on both sides, but somebody has merged nothing: {reports:#?}"
            )));
        }
        let odd = reports.iter().find(|heal| {
            heal.apart_ms < 1000
                || !["log", "state"].contains(&heal.mode.as_str())
                || (heal.merged > 0 && heal.bytes == 0)
        });
        match odd {
            None => Ok(()),
            Some(odd) => Err(HarnessError::Broken(format!("a report that cannot be: {odd:?}"))),
        }
    }

    async fn statuses(&self) -> Result<BTreeMap<u64, SyncStatus>, HarnessError> {
        let mut statuses = BTreeMap::new();
        for id in self.cluster.running() {
            let endpoint = self.cluster.member(id)?.client_address();
            let status = self.admin.eventual_admin().sync_status(endpoint).await;
            statuses.insert(id, status.map_err(HarnessError::call("ask for the state of sync"))?);
        }
        Ok(statuses)
    }

    /// Until every member has what each other had, and the other way round. Returns how long that took.
    async fn until_even(&mut self, shared: &Shared) -> Result<Duration, HarnessError> {
        let began = std::time::Instant::now();
        let mut even = Even {
            began_us: 0,
            ended_us: 0,
        };
        let (cluster, admin) = (&self.cluster, self.admin.eventual_admin());
        wait::until("all members to be even", PATIENCE, async || {
            even.began_us = shared.now_us();
            for id in cluster.ids() {
                let endpoint = cluster.member(id).map_err(|error| error.to_string())?.client_address();
                let forced = admin.sync_force(endpoint, Duration::from_secs(2));
                forced.await.map_err(|error| format!("member {id}: {error}"))?;
            }
            even.ended_us = shared.now_us();
            Ok::<(), String>(())
        })
        .await?;
        self.evens.push(even);
        Ok(began.elapsed())
    }

    /// Equal clocks are equal states, at any time.
    pub(super) async fn check_diverged(&self) -> Result<(), HarnessError> {
        for (id, status) in self.statuses().await? {
            if status.diverged_shards != 0 {
                return Err(HarnessError::Broken(format!(
                    "member {id} has found {} shards that differ though their clocks are equal",
                    status.diverged_shards
                )));
            }
        }
        Ok(())
    }
}
