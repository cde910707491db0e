//! Processes that end, or stand still.

use std::time::Duration;

use super::{Happened, Nemesis, Pace, Scene};
use crate::HarnessError;

/// How long a member stands still, in milliseconds; a leader for as much longer than it takes to replace it.
const PAUSE_MS: std::ops::Range<u64> = 500..3000;

/// What was under way when a majority stopped has arrived by then.
const SETTLED: Duration = Duration::from_millis(500);

impl Nemesis {
    pub(super) async fn kill(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let Scene { leader, term, victim } = scene;
        let pid = self.cluster.member(victim)?.pid().unwrap_or(0);
        self.cluster.kill9(victim)?;
        let mut evidence = format!("process {pid} was killed");
        if victim == leader {
            let (next, term) = self.another_leader(&self.all_but(&[victim]), term).await?;
            evidence += &format!(", and {next} led from term {term} on");
        }
        pace.wait_for_more("while a member is dead").await?;
        self.cluster.restart(victim)?;
        Ok(Happened {
            victims: vec![victim],
            evidence,
        })
    }

    pub(super) async fn kill_all(&mut self, scene: Scene) -> Result<Happened, HarnessError> {
        let voters = self.voters();
        for id in &voters {
            self.cluster.kill9(*id)?;
        }
        for id in &voters {
            if let Ok(status) = self.cluster.status(*id).await {
                return Err(HarnessError::Broken(format!("{id} was killed and answers: {status:?}")));
            }
        }
        self.linger(0..300).await;
        for id in &voters {
            self.cluster.restart(*id)?;
        }
        let (next, term) = self.another_leader(&voters, scene.term).await?;
        Ok(Happened {
            evidence: format!("none of {voters:?} answered; after it {next} led from term {term} on"),
            victims: voters,
        })
    }

    pub(super) async fn pause(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let Scene { leader, term, victim } = scene;
        let began = self.clock.now();
        self.cluster.pause(victim).await?;
        let mut evidence = String::new();
        if victim == leader {
            let (next, term) = self.another_leader(&self.all_but(&[victim]), term).await?;
            evidence = format!(", and {next} led from term {term} on");
        }
        self.linger(PAUSE_MS).await;
        pace.wait_for_more("while a member stands still").await?;
        let stood = (self.clock.now() - began).as_millis();
        self.cluster.resume(victim)?;
        Ok(Happened {
            victims: vec![victim],
            evidence: format!("every thread of it stood still for {stood} ms{evidence}"),
        })
    }

    /// Nothing may be committed by the others meanwhile.
    pub(super) async fn pause_majority(&mut self, scene: Scene) -> Result<Happened, HarnessError> {
        let victims = self.with_others(scene.victim, self.quorum());
        let others = self.all_but(&victims);
        for id in &victims {
            self.cluster.pause(*id).await?;
        }
        tokio::time::sleep(SETTLED).await;
        let before = self.committed(&others).await?;
        self.linger(PAUSE_MS).await;
        let after = self.committed(&others).await?;
        for id in &victims {
            self.cluster.resume(*id)?;
        }
        if before != after {
            return Err(HarnessError::Broken(format!(
                "{others:?} went from index {before} to {after} while a majority, {victims:?}, stood still"
            )));
        }
        Ok(Happened {
            evidence: format!("{others:?} stayed at index {before} while these stood still"),
            victims,
        })
    }
}
