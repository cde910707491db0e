//! What operators do to members that are well, and what members do by themselves.

use quorate::ErrorKind;
use rand::seq::{IteratorRandom, SliceRandom};

use super::sight::term;
use super::{Happened, KEYS, Nemesis, PATIENCE, Pace, Scene};
use crate::{HarnessError, wait};

/// What a member's log says when it installs a snapshot.
const INSTALLING: &str = "installing a snapshot";

/// What is written until members make a snapshot.
const FILLER_BYTES: usize = 32 << 10;

/// Far more than it takes: members of a run make a snapshot after some hundred KiB of log.
const FILLERS_MAX: usize = 1000;

impl Nemesis {
    pub(super) async fn transfer(&mut self, scene: Scene) -> Result<Happened, HarnessError> {
        let others = self.voters().into_iter().filter(|id| *id != scene.leader);
        let to = match scene.victim == scene.leader {
            true => others.choose(&mut self.random).unwrap_or(scene.leader),
            false => scene.victim,
        };
        let client = self.own_client().await?;
        let led = client.transfer_leader(to).await;
        let led = led.map_err(HarnessError::call(format!("hand leadership to {to}")))?;
        client.close().await;
        let condition = format!("lead after term {}", scene.term);
        let now = self.until_status(&condition, led, |status| {
            (status.role == "leader" && term(status) > scene.term).then(|| term(status))
        });
        let evidence = format!("{led} led from term {} on", now.await?);
        Ok(Happened {
            victims: vec![scene.leader, led],
            evidence,
        })
    }

    pub(super) async fn rolling_restart(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let mut order = self.voters();
        order.shuffle(&mut self.random);
        // The victim is the first one.
        order.retain(|id| *id != scene.victim);
        order.insert(0, scene.victim);
        let mut pids = Vec::new();
        for id in &order {
            let before = self.cluster.member(*id)?.pid().unwrap_or(0);
            let status = self.cluster.stop(*id).await?;
            if !self.cluster.ended_in_order(*id, status)? {
                return Err(HarnessError::Broken(format!(
                    "{id} was asked to end, and ended with {status}"
                )));
            }
            self.cluster.restart(*id)?;
            let leader = self.cluster.wait_for_leader().await?;
            let applied = self.status(leader).await?.applied_index;
            self.cluster.wait_until_applied(*id, applied).await?;
            pace.wait_for_more("between two restarts").await?;
            pids.push((before, self.cluster.member(*id)?.pid().unwrap_or(0)));
        }
        Ok(Happened {
            victims: order,
            evidence: format!("each ended in order and came back; processes before and after: {pids:?}"),
        })
    }

    /// Every voter makes one, however much is written by others.
    pub(super) async fn snapshot(&mut self, _: Scene) -> Result<Happened, HarnessError> {
        let voters = self.voters();
        let mut before = Vec::new();
        for id in &voters {
            before.push((*id, self.status(*id).await?.snapshot_index));
        }
        let client = self.own_client().await?;
        let key = format!("{KEYS}filler");
        let filler = vec![0xf1; FILLER_BYTES];
        let mut seen = Vec::new();
        for _ in 0..FILLERS_MAX {
            let put = client.put(key.as_str(), filler.as_slice()).await;
            put.map_err(HarnessError::call("write until there is a snapshot"))?;
            seen.clear();
            for (id, index) in &before {
                let now = self.status(*id).await?.snapshot_index;
                seen.extend((now > *index).then_some((*id, *index, now)));
            }
            if seen.len() == voters.len() {
                break;
            }
        }
        let deleted = client.delete(key.as_str()).await;
        deleted.map_err(HarnessError::call("delete what was written for a snapshot"))?;
        client.close().await;
        if seen.len() < voters.len() {
            return Err(HarnessError::Broken(format!(
                "of {voters:?} only these made a snapshot: {seen:?} (member, index before, index now)"
            )));
        }
        Ok(Happened {
            victims: voters,
            evidence: format!("(member, index of its snapshot before, and now): {seen:?}"),
        })
    }

    /// The victim is away until the others have forgotten what it lacks. Where it can be cut off it lives meanwhile, with
    /// its watches.
    pub(super) async fn install(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victim = scene.victim;
        let partitions = self.cluster.has_network();
        let before = self.cluster.member(victim)?.said(INSTALLING)?;
        let others = self.all_but(&[victim]);
        match partitions {
            true => self.cluster.cut(victim, &others)?,
            false => self.cluster.kill9(victim)?,
        }
        pace.wait_for_more("while a member is away").await?;
        let others: Vec<u64> = others.into_iter().filter(|id| Some(*id) != self.witness).collect();
        // A member that is down tells nobody where its log ends. It ends no later than that of the others now, as far as
        // it is the same log: they have gone on without it.
        let mut has = 0;
        for other in &others {
            has = has.max(self.status(*other).await?.log_last_index);
        }
        let mut first = Vec::new();
        for other in others {
            let condition = format!("forget what {victim} lacks after index {has}");
            let forgot = self.until_status(&condition, other, |status| {
                (status.log_first_index > has + 1).then_some(status.log_first_index)
            });
            first.push((other, forgot.await?));
        }
        match partitions {
            true => self.cluster.heal()?,
            false => self.cluster.restart(victim)?,
        }
        wait::until(
            &format!("member {victim} to install a snapshot"),
            PATIENCE,
            async || match self.cluster.member(victim).and_then(|member| member.said(INSTALLING)) {
                Ok(installed) if installed > before => Ok(()),
                Ok(_) => Err("it has not".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        )
        .await?;
        Ok(Happened {
            victims: vec![victim],
            evidence: format!(
                "its log ended at {has} at the latest, that of the others began at {first:?} (member, index); it installed a snapshot"
            ),
        })
    }

    pub(super) async fn compact(&mut self, scene: Scene) -> Result<Happened, HarnessError> {
        let client = self.own_client().await?;
        let status = self.status(scene.leader).await?;
        let before = status.compacted_revision;
        let revision = status.header.map_or(0, |header| header.revision);
        match client.compact(revision).await {
            // Another compaction came as far meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::Compacted { .. }) => {}
            compacted => drop(compacted.map_err(HarnessError::call("compact history"))?),
        }
        client.close().await;
        let victims = self.voters();
        let condition = format!("forget what was before {revision}");
        for id in &victims {
            self.until_status(&condition, *id, |status| {
                (status.compacted_revision >= revision).then_some(())
            })
            .await?;
        }
        Ok(Happened {
            victims,
            evidence: format!("what was before revision {before} was gone, then what was before {revision}"),
        })
    }
}
