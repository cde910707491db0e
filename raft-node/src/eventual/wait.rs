//! What a client may wait for.

use std::time::Duration;

use quorate_eventual::{ActorId, ActorIndex, ShardNumber};
use tokio::sync::Notify;

use super::Tier;
use super::replication::Clocks;

/// Why it did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// That many members have it, this one included.
    Acks(usize),
    /// What is here may be so old; none if it cannot be told.
    Age(Option<Duration>),
    /// Something that the token names is not here yet.
    Token,
}

/// Waits at one member, until a deadline.
pub struct WaitFor<'t> {
    tier: &'t Tier,
    deadline: tokio::time::Instant,
}

impl<'t> WaitFor<'t> {
    /// Waits no longer than `timeout`, over all that is waited for.
    pub fn new(tier: &'t Tier, timeout: Duration) -> Self {
        WaitFor {
            tier,
            deadline: tokio::time::Instant::now() + timeout,
        }
    }

    /// Until so many members have the operations of these actors up to these numbers, this one included. Returns how many have
    /// all of them.
    pub async fn acks(&self, written: &[(ShardNumber, ActorIndex, u64)], members: usize) -> Result<usize, Unmet> {
        let having = |(shard, actor, number): &(ShardNumber, ActorIndex, u64)| {
            1 + self.tier.peers.having_of(*shard, *actor, *number)
        };
        let fewest = || written.iter().map(having).min().unwrap_or(members);
        loop {
            for one in written {
                self.until_either(self.tier.advanced(one.0), self.tier.heard(), || having(one) >= members)
                    .await
                    .map_err(|()| Unmet::Acks(fewest()))?;
            }
            // A peer that had the first may have ended while the last was waited for.
            let fewest = fewest();
            if fewest >= members {
                return Ok(fewest);
            }
        }
    }

    /// Until nothing that any member acknowledged longer ago than this is missing here. Returns how old it may be.
    pub async fn age(&self, age_max: Duration) -> Result<Duration, Unmet> {
        let age = || self.tier.age();
        self.until(self.tier.heard(), || age().is_some_and(|age| age <= age_max))
            .await
            .map_err(|()| Unmet::Age(age()))?;
        age().ok_or(Unmet::Age(None))
    }

    /// Until this member has a shard's operations up to these numbers.
    pub async fn clock(&self, shard: ShardNumber, clock: &[(ActorId, u64)]) -> Result<(), Unmet> {
        self.until(self.tier.advanced(shard), || self.has(shard, clock))
            .await
            .map_err(|()| Unmet::Token)
    }

    /// Until this member has what there was when its process started.
    pub async fn caught_up(&self) -> Result<(), Unmet> {
        let caught_up = || self.tier.is_caught_up();
        self.until(self.tier.heard(), caught_up)
            .await
            .map_err(|()| Unmet::Token)
    }

    /// Until this member has what these clocks say.
    pub async fn clocks(&self, clocks: &Clocks) -> Result<(), Unmet> {
        for (shard, clock) in clocks {
            let has = || self.tier.store.lock(*shard).clock().includes(clock);
            self.until(self.tier.advanced(*shard), has)
                .await
                .map_err(|()| Unmet::Token)?;
        }
        Ok(())
    }

    /// How long is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(tokio::time::Instant::now())
    }

    /// This member has a shard's operations up to these numbers.
    pub fn has(&self, shard: ShardNumber, clock: &[(ActorId, u64)]) -> bool {
        let store = &self.tier.store;
        let shard = store.lock(shard);
        clock.iter().all(|(actor, number)| match store.actors().find(*actor) {
            // Of a process that is retired the clock knows the last number: what is beyond was lost with it.
            Some(actor) => shard.clock().get(actor) >= *number,
            None => *number == 0,
        })
    }

    /// As [`WaitFor::until`], of two things: that a peer has what others wrote is learnt from its beats, too.
    async fn until_either(&self, one: &Notify, other: &Notify, mut holds: impl FnMut() -> bool) -> Result<(), ()> {
        loop {
            let (one, other) = (one.notified(), other.notified());
            tokio::pin!(one, other);
            // Before the look, so that what happens between the two is not missed.
            one.as_mut().enable();
            other.as_mut().enable();
            if holds() {
                return Ok(());
            }
            tokio::select! {
                () = one => {}
                () = other => {}
                () = tokio::time::sleep_until(self.deadline) => return if holds() { Ok(()) } else { Err(()) },
            }
        }
    }

    async fn until(&self, something: &Notify, mut holds: impl FnMut() -> bool) -> Result<(), ()> {
        loop {
            let happens = something.notified();
            tokio::pin!(happens);
            // Before the look, so that what happens between the two is not missed.
            happens.as_mut().enable();
            if holds() {
                return Ok(());
            }
            if tokio::time::timeout_at(self.deadline, happens).await.is_err() {
                return if holds() { Ok(()) } else { Err(()) };
            }
        }
    }
}
