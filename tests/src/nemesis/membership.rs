//! Members that come and go.

use quorate::{Client, Member};

use super::{Happened, Nemesis, PATIENCE, Pace, Scene};
use crate::{HarnessError, wait};

impl Nemesis {
    /// One more for a while, then as many as before: the victim goes.
    pub(super) async fn join(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let (id, peer) = self.start_new().await?;
        let client = self.own_client().await?;
        let added = client.member_add(id, &peer).await;
        demand_role(&added.map_err(HarnessError::call("add a learner"))?, id, Some(false))?;
        pace.wait_for_more("while there is a learner").await?;
        self.promote(&client, id).await?;
        pace.wait_for_more("while there is one voter more").await?;
        let removed = client.member_remove(scene.victim).await;
        demand_role(
            &removed.map_err(HarnessError::call("remove a member"))?,
            scene.victim,
            None,
        )?;
        client.close().await;
        self.cluster.forget(scene.victim)?;
        Ok(Happened {
            victims: vec![scene.victim],
            evidence: format!(
                "{id} was a learner, then a voter; then {} was no member any more",
                scene.victim
            ),
        })
    }

    /// The disk of a member is lost, and another takes its place.
    pub(super) async fn replace(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let Scene { leader, term, victim } = scene;
        self.cluster.kill9(victim)?;
        self.cluster.wipe(victim)?;
        let mut evidence = String::new();
        if victim == leader {
            let (next, term) = self.another_leader(&self.all_but(&[victim]), term).await?;
            evidence = format!("{next} led from term {term} on; ");
        }
        pace.wait_for_more("while a member has no disk").await?;
        self.cluster.forget(victim)?;
        let (id, peer) = self.start_new().await?;
        let client = self.own_client().await?;
        let replaced = client.member_replace(victim, id, &peer).await;
        let members = replaced.map_err(HarnessError::call("replace a member"))?;
        client.close().await;
        demand_role(&members, id, Some(true))?;
        demand_role(&members, victim, None)?;
        Ok(Happened {
            victims: vec![victim],
            evidence: format!("{evidence}{id} was a voter in its place"),
        })
    }

    /// Starts a member that nobody knows yet; returns its id and its address for peers.
    async fn start_new(&mut self) -> Result<(u64, String), HarnessError> {
        self.newest_id += 1;
        let id = self.newest_id;
        self.cluster.start_joining(id).await?;
        Ok((id, self.cluster.member(id)?.peer_address().to_owned()))
    }

    async fn promote(&mut self, client: &Client, id: u64) -> Result<(), HarnessError> {
        let leader = self.cluster.wait_for_leader().await?;
        let applied = self.status(leader).await?.applied_index;
        self.cluster.wait_until_applied(id, applied).await?;
        // Meanwhile more was written, and another may lead, who has yet to learn how far the learner is.
        let condition = format!("learner {id} to be promoted");
        let promoted = wait::until(&condition, PATIENCE, async || client.member_promote(id).await).await;
        demand_role(&promoted?, id, Some(true))
    }
}

/// Demands that a member is a voter, a learner, or none.
fn demand_role(members: &[Member], id: u64, voter: Option<bool>) -> Result<(), HarnessError> {
    let found = members.iter().find(|member| member.id == id).map(|member| member.voter);
    match found == voter {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "{id} should be {voter:?} as a voter and is not: {members:?}"
        ))),
    }
}
