//! Members lose power: what they wrote and did not sync is gone.
//!
//! The order matters. The victims are stopped first, so that none acknowledges anything that the frozen image lacks;
//! then their disks are frozen; only then are they killed.

use super::RunReport;
use super::run::Run;
use crate::HarnessError;
use crate::cluster::{Cluster, Settings};
use crate::disk::Disk;
use rand::Rng;

const MEMBERS: u64 = 3;

/// Each round: writes; one member, or in a third of the rounds all at once, loses power; the survivors go on; the
/// victims come back with what they had synced.
#[derive(Clone, Copy, Debug)]
pub struct PowerLoss {
    /// Losses of power.
    pub rounds: u64,
    /// Concurrent clients.
    pub clients: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

/// How a run ended that did not fail.
#[derive(Clone, Debug)]
pub enum PowerLossEnd {
    /// It ran and passed.
    Passed(RunReport),
    /// This machine cannot lose power; the reason.
    Skipped(String),
}

impl PowerLoss {
    /// Runs it on three members; `progress` gets a line a round.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<PowerLossEnd, HarnessError> {
        let PowerLoss { rounds, clients, seed } = self;
        if let Some(reason) = Disk::unavailable_because() {
            return Ok(PowerLossEnd::Skipped(reason));
        }
        progress(format!("power-loss: {rounds} rounds, {clients} clients, seed {seed}"));
        // Dropped in reverse order: processes, disks, the directory they are mounted in.
        let root = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
        let mut disks = Vec::new();
        for id in 1..=MEMBERS {
            disks.push(Disk::format(&root.path().join(format!("n{id}")))?);
        }
        let settings = Settings {
            data_root: Some(root.path().to_owned()),
            ..Settings::of(MEMBERS)
        };
        let mut run = Run::begin(Cluster::start_with(settings).await?, clients, seed).await?;
        for round in 1..=rounds {
            match one_round(&mut run, &mut disks, round).await {
                Ok(line) => progress(format!("round {round}/{rounds}: {line}")),
                Err(error) => return Err(run.explain(error)),
            }
        }
        run.verdict().await.map(PowerLossEnd::Passed)
    }
}

async fn one_round(run: &mut Run, disks: &mut [Disk], round: u64) -> Result<String, HarnessError> {
    run.wait_for_writes("before the loss of power").await?;
    let victims = match round % 3 {
        0 => run.cluster.ids(),
        _ => vec![run.victim().await?],
    };
    lose_power(run, disks, &victims).await?;
    let revision = run.end_of_round().await?;
    let operations = run.operations();
    Ok(format!(
        "members {victims:?} lost power; {operations} operations, revision {revision}"
    ))
}

async fn lose_power(run: &mut Run, disks: &mut [Disk], victims: &[u64]) -> Result<(), HarnessError> {
    // Somewhere between two writes, not always just after one.
    let moment = std::time::Duration::from_millis(run.random.random_range(0..20));
    tokio::time::sleep(moment).await;
    for id in victims {
        run.cluster.pause(*id).await?;
    }
    let mut frozen = Vec::new();
    for id in victims {
        frozen.push((*id, disk_of(disks, *id)?.freeze()?));
    }
    for id in victims {
        run.cluster.kill9(*id)?;
    }
    run.faults += 1;
    if victims.len() == 1 {
        run.wait_for_writes("while one member has no power").await?;
    }
    for (id, image) in frozen {
        disk_of(disks, id)?.power_cycle(image).await?;
        run.cluster.restart(id)?;
    }
    for id in victims {
        run.wait_until_caught_up(*id).await?;
    }
    Ok(())
}

fn disk_of(disks: &mut [Disk], id: u64) -> Result<&mut Disk, HarnessError> {
    let index = usize::try_from(id).unwrap_or(usize::MAX).wrapping_sub(1);
    disks
        .get_mut(index)
        .ok_or_else(|| HarnessError::Broken(format!("member {id} has no disk of its own")))
}
