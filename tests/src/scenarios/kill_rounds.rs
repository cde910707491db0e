//! A member is killed again and again while clients write.

use super::RunReport;
use super::run::Run;
use crate::HarnessError;
use crate::cluster::Cluster;

/// Each round: writes; SIGKILL to the leader or to any member; writes go on without it; it comes back and catches up.
#[derive(Clone, Copy, Debug)]
pub struct KillRounds {
    /// Kills.
    pub rounds: u64,
    /// Concurrent clients.
    pub clients: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

impl KillRounds {
    /// Runs it on three members; `progress` gets a line a round.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<RunReport, HarnessError> {
        let KillRounds { rounds, clients, seed } = self;
        progress(format!("kill-rounds: {rounds} rounds, {clients} clients, seed {seed}"));
        let mut run = Run::begin(Cluster::start(3).await?, clients, seed).await?;
        for round in 1..=rounds {
            match one_round(&mut run).await {
                Ok(line) => progress(format!("round {round}/{rounds}: {line}")),
                Err(error) => return Err(run.explain(error)),
            }
        }
        run.verdict().await
    }
}

async fn one_round(run: &mut Run) -> Result<String, HarnessError> {
    run.wait_for_writes("before the kill").await?;
    let victim = run.victim().await?;
    run.cluster.kill9(victim)?;
    run.faults += 1;
    run.wait_for_writes("while one member is dead").await?;
    run.cluster.restart(victim)?;
    run.wait_until_caught_up(victim).await?;
    let revision = run.end_of_round().await?;
    let operations = run.operations();
    Ok(format!(
        "killed member {victim}; {operations} operations, revision {revision}"
    ))
}
