//! What every member has, whoever wrote it.
//!
//! A beat says of its sender's own operations that they are ahead of it. What a process wrote that is gone by now may be at
//! one member only, which hands it on when hashes have differed for a while. So where "everything" is what is asked for,
//! clocks are compared.

use std::time::Duration;

use quorate_eventual::{Clock, ShardNumber};

use crate::eventual::{Unmet, WaitFor};
use crate::grpc::api::Api;
use crate::types::MemberId;

/// Between two looks at what a peer has.
const ASK_AGAIN: Duration = Duration::from_millis(50);

impl Api {
    /// Until this member has what every other had when it was asked.
    pub(super) async fn has_everything(&self, wait: &WaitFor<'_>) -> Result<(), Unmet> {
        wait.everything().await?;
        for id in self.others() {
            for (shard, clock) in self.clocks_of(wait, id).await? {
                wait.includes(shard, &clock).await?;
            }
        }
        Ok(())
    }

    /// Until this member has what every other had when it was asked, and every other what this one had.
    pub(super) async fn is_even(&self, wait: &WaitFor<'_>) -> Result<(), Unmet> {
        let clock = |shard| (shard, self.tier.store.lock(shard).clock().clone());
        let mine: Vec<(ShardNumber, Clock)> = ShardNumber::all().map(clock).collect();
        wait.even().await?;
        for id in self.others() {
            let theirs = self.clocks_of(wait, id).await?;
            for (shard, clock) in &theirs {
                wait.includes(*shard, clock).await?;
            }
            let mut theirs = theirs;
            while !self.include_all(&theirs, &mine) {
                wait.a_while(ASK_AGAIN, Unmet::Token).await?;
                theirs = self.clocks_of(wait, id).await?;
            }
        }
        Ok(())
    }

    fn others(&self) -> Vec<MemberId> {
        let me = self.roster.me().member;
        self.roster.members().keys().copied().filter(|id| *id != me).collect()
    }

    /// What the member has. One that does not answer is asked again; one that was removed has nothing to say.
    async fn clocks_of(&self, wait: &WaitFor<'_>, id: MemberId) -> Result<Vec<(ShardNumber, Clock)>, Unmet> {
        loop {
            let Some(member) = self.roster.members().get(&id).cloned() else {
                return Ok(Vec::new());
            };
            match self.tier_network.shard_clocks(&self.tier, id, &member).await {
                Ok(clocks) => return Ok(clocks),
                Err(status) => tracing::debug!(peer = id, %status, "a peer did not say what it has"),
            }
            wait.a_while(ASK_AGAIN, Unmet::Token).await?;
        }
    }

    /// Both are in the order of the shards; a member that was removed has none. Processes that were retired since are told by
    /// nobody: every member has all of theirs.
    fn include_all(&self, theirs: &[(ShardNumber, Clock)], mine: &[(ShardNumber, Clock)]) -> bool {
        theirs.iter().zip(mine).all(|((shard, theirs), (_, mine))| {
            mine.iter().all(|(actor, number)| {
                theirs.get(actor) >= number || self.tier.store.lock(*shard).clock().is_retired(actor)
            })
        })
    }
}
