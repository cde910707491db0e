//! Disks that are full.

use std::time::Duration;

use quorate::{Client, ErrorKind};

use super::{Happened, KEYS, Nemesis, PATIENCE, Pace, Scene};
use crate::cluster::SMALL_RESERVE_BYTES;
use crate::{HarnessError, wait};

/// What is written to fill the log of a member whose disk is full.
const FILLER_BYTES: usize = 256 << 10;

/// Members look at their disks once a second, and a segment of the log is full after some puts.
const NOTICED: Duration = Duration::from_secs(30);

/// What a member says of a full disk before it ends.
const FULL: [&str; 2] = ["no space", "No space left on device"];

impl Nemesis {
    /// Writes that grow the store are refused, with the reason; others are not. It clears by itself.
    pub(super) async fn disk_low(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victims = self.with_others(scene.victim, self.quorum());
        let client = self.own_client().await?;
        let key = format!("{KEYS}low");
        let before = client.put(key.as_str(), "before").await;
        before.map_err(HarnessError::call("write while there is space"))?;
        wait::until("writes to be refused", NOTICED, async || {
            // What a member deletes meanwhile, and what it deleted before, is room again a moment later.
            for id in &victims {
                let filled = self.cluster.fill_disk(*id, SMALL_RESERVE_BYTES / 2);
                filled.map_err(|error| error.to_string())?;
            }
            refused(&client, &key).await
        })
        .await?;
        let deleted = client.delete(key.as_str()).await;
        deleted.map_err(HarnessError::call("delete while there is no space"))?;
        let (leader, _) = self.leader_and_term().await?;
        let free = self.status(scene.victim).await?.disk_free_bytes;
        for id in &victims {
            self.cluster.free_disk(*id)?;
        }
        self.until_status("have space again", leader, |status| {
            (!status.alarms.iter().any(|alarm| alarm.contains("nearly full"))).then_some(())
        })
        .await?;
        pace.wait_for_more("once there is space again").await?;
        client.close().await;
        Ok(Happened {
            evidence: format!(
                "{} had {free} bytes free; a put was refused as NoSpace, and a delete was not",
                scene.victim
            ),
            victims,
        })
    }

    /// A member that cannot write its log ends, and says why; with space it comes back. The others go on.
    pub(super) async fn disk_full(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victim = scene.victim;
        let said = self.said_full(victim)?;
        let free = self.cluster.fill_disk(victim, 0)?;
        let client = self.own_client().await?;
        let key = format!("{KEYS}filler");
        let filler = vec![0xf1; FILLER_BYTES];
        let mut written = 0_u32;
        let condition = format!("{victim}, with nothing free after {free} bytes, to end");
        let status = wait::until(&condition, NOTICED, async || {
            // Purged segments and old snapshots may still be given back, which would be room for another segment.
            let filled = self.cluster.fill_disk(victim, 0);
            filled.map_err(|error| error.to_string())?;
            // The one that fails with the member is of no interest. Others are refused while a member that had no space
            // before has not said yet that it has: they fill nothing.
            let put = client.put(key.as_str(), filler.as_slice()).await;
            written += u32::from(put.is_ok());
            let ended = self.cluster.wait_until_ended(victim, Duration::ZERO).await;
            ended.map_err(|_| {
                format!("it goes on after {written} puts of {FILLER_BYTES} bytes, the last of them {put:?}")
            })
        })
        .await?;
        if self.said_full(victim)? == said {
            return Err(HarnessError::Broken(format!(
                "{victim} ended ({status}) without a word of its disk"
            )));
        }
        let mut evidence = format!("it ended ({status}) and said that there was no space");
        if victim == scene.leader {
            let (next, term) = self.another_leader(&self.all_but(&[victim]), scene.term).await?;
            evidence += &format!(", and {next} led from term {term} on");
        }
        pace.wait_for_more("while a member has no space").await?;
        self.cluster.free_disk(victim)?;
        self.cluster.restart(victim)?;
        let deleted = client.delete(key.as_str()).await;
        deleted.map_err(HarnessError::call("delete what filled a disk"))?;
        client.close().await;
        Ok(Happened {
            victims: vec![victim],
            evidence,
        })
    }

    fn said_full(&self, id: u64) -> Result<usize, HarnessError> {
        let member = self.cluster.member(id)?;
        FULL.iter().map(|words| member.said(words)).sum()
    }
}

/// Whether a put is refused for want of space.
async fn refused(client: &Client, key: &str) -> Result<(), String> {
    let put = tokio::time::timeout(PATIENCE, client.put(key, "more")).await;
    match put {
        Ok(Err(error)) if *error.kind() == ErrorKind::NoSpace => Ok(()),
        other => Err(format!("{other:?}")),
    }
}
