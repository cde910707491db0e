//! What a client may wait for.

use std::time::Duration;

use quorate_eventual::{ActorId, ShardNumber};

use super::{Peer, Tier};

/// Why it did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// That many members have it, this one included.
    Acks(usize),
    /// What is here may be so old; none if it cannot be told.
    Age(Option<Duration>),
    /// Something that the token names is not here yet.
    Token,
    /// Something that the token names was lost with its process.
    Lost,
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

    /// Until so many members have the operations up to these numbers, this one included. Returns how many have them.
    pub async fn acks(&self, written: &[(ShardNumber, u64)], members: usize) -> Result<usize, Unmet> {
        let having = |(shard, number): &(ShardNumber, u64)| 1 + self.tier.peers.having(*shard, *number);
        for one in written {
            self.until(self.tier.advanced(one.0), || having(one) >= members)
                .await
                .map_err(|()| Unmet::Acks(written.iter().map(having).min().unwrap_or(1)))?;
        }
        Ok(written.iter().map(having).min().unwrap_or(1))
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

    /// Until this member has caught up with what every other had when it was asked: for a token without detail.
    pub async fn everything(&self) -> Result<(), Unmet> {
        let asked_us = self.tier.monotonic_us();
        let heard = || {
            let fresh = |peer: &Peer| peer.freshness.here_us() >= asked_us;
            self.tier.peers.all_are(fresh)
        };
        self.until(self.tier.heard(), heard).await.map_err(|()| Unmet::Token)
    }

    /// Until this member has what every other had when it was asked, and every other what this one had.
    pub async fn even(&self) -> Result<(), Unmet> {
        let asked_us = self.tier.monotonic_us();
        let fresh = |us: u64| us >= asked_us;
        let even = || {
            let is_even = |peer: &Peer| fresh(peer.freshness.here_us()) && fresh(peer.freshness.there_us());
            self.tier.peers.all_are(is_even)
        };
        self.until(self.tier.heard(), even).await.map_err(|()| Unmet::Token)
    }

    /// This member has a shard's operations up to these numbers.
    pub fn has(&self, shard: ShardNumber, clock: &[(ActorId, u64)]) -> bool {
        let store = &self.tier.store;
        let shard = store.lock(shard);
        clock.iter().all(|(actor, number)| match store.actors().find(*actor) {
            Some(actor) => shard.clock().is_retired(actor) || shard.clock().get(actor) >= *number,
            None => *number == 0,
        })
    }

    async fn until(&self, something: &tokio::sync::Notify, mut holds: impl FnMut() -> bool) -> Result<(), ()> {
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
