//! Takes away what is of no use any more: values whose end has come, what was kept for peers that have it by now, entries of
//! domains that were dropped, processes that are gone for good, and what does not fit into a domain's limits.
//!
//! Everything is done in bounded steps, so that no write waits for a sweep. Only what every member does alike is done
//! without an operation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_eventual::{ActorId, Dropping, ShardNumber};

use tokio::sync::watch;

use super::Tier;
use super::limits::Limits;
use crate::actors::ActorTable;
use crate::failpoints;
use crate::mvcc::DomainTable;
use crate::state_machine::StateStore;
use crate::types::{self, DomainId, MemberId};

/// A value is dropped at most this much later than it may be.
const INTERVAL: Duration = Duration::from_millis(100);
/// What concerns domains and processes is looked at in one of so many sweeps.
const RARE: u32 = 10;
/// Values that are dropped under one lock.
const DROPPED_MAX: usize = 256;
/// Places that are looked at for entries of a dropped domain under one lock.
const LOOKS_MAX: usize = 1_024;

/// Sweeps one member's shards.
pub struct Sweep {
    tier: Arc<Tier>,
    member: MemberId,
    /// Retired actors that no shard lists any more.
    unlisted: BTreeSet<ActorId>,
}

impl Sweep {
    /// Of the member `member`.
    pub fn new(tier: Arc<Tier>, member: MemberId) -> Self {
        Sweep {
            tier,
            member,
            unlisted: BTreeSet::new(),
        }
    }

    /// Runs until the member ends. Which domains and processes are gone is read from `store`. Tells `failed` if this very
    /// process is taken for gone, and ends: then the member must start again, as another process.
    pub async fn run(mut self, store: Arc<StateStore>, failed: watch::Sender<Option<String>>) {
        let mut limits = Limits::new(Arc::clone(&self.tier), self.member);
        let mut round = 0_u32;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let _ = failpoints::pass("eventual-sweep").await;
            self.drop_ended().await;
            self.drop_acknowledged();
            limits.step(&store.domains().load()).await;
            if round.is_multiple_of(RARE) {
                self.drop_domains(&store.domains().load()).await;
                let actors = store.actors().load();
                if self.is_taken_for_gone(&actors) {
                    failed.send_replace(Some(String::from(
                        "another process of this member was registered after this one: what this one writes would be lost; \
                         if two run, stop one, and start this member again",
                    )));
                    return;
                }
                self.retire(&actors).await;
            }
            round = round.wrapping_add(1);
        }
    }

    /// Values whose end has come.
    async fn drop_ended(&self) {
        let now_ms = self.tier.wall_ms();
        for number in ShardNumber::all() {
            while self.tier.store.lock(number).drop_ended(now_ms, DROPPED_MAX) >= DROPPED_MAX {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Values that were kept for peers, all of whom have them.
    fn drop_acknowledged(&self) {
        for number in ShardNumber::all() {
            let acked = self.tier.peers.acked_by_all(number);
            let mut shard = self.tier.store.lock(number);
            // Without peers, all there are have everything; but those that come have not.
            let own = shard.own_number();
            shard.acknowledged_by_all(acked.min(own));
        }
    }

    /// Entries of domains that were dropped, also those that came later from a member that had not heard of it yet.
    async fn drop_domains(&self, domains: &DomainTable) {
        for (id, counts) in self.tier.store.counts().all() {
            let entries = counts.entries();
            if entries > 0 && domains.is_gone(DomainId(id)) {
                for number in ShardNumber::all() {
                    self.drop_domain(number, id).await;
                }
                tracing::info!(domain = id, entries, "entries of a domain that was dropped are gone");
            }
        }
    }

    async fn drop_domain(&self, number: ShardNumber, domain: u32) {
        let mut from = 0;
        loop {
            let dropping = self.tier.store.lock(number).drop_domain(domain, from, LOOKS_MAX);
            match dropping {
                Dropping::Done => return,
                Dropping::From(next) => from = next,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Others would leave this process out of their clocks, and take nothing from it any more.
    fn is_taken_for_gone(&self, actors: &ActorTable) -> bool {
        let me = types::ActorId(self.tier.store.id().0);
        actors.earlier(self.member).any(|actor| actor == me)
    }

    /// Leaves retired processes out of clocks, and takes over the counters of those that were this member's.
    async fn retire(&mut self, actors: &ActorTable) {
        let earlier: BTreeSet<ActorId> = actors.earlier(self.member).map(of_tier).collect();
        let known = Arc::clone(self.tier.store.actors());
        for (actor, finals) in actors.retired() {
            let actor = of_tier(actor);
            if self.unlisted.contains(&actor) {
                continue;
            }
            // One that nobody here has heard of is in no clock; but this member's own must be known to be retired.
            let index = if earlier.contains(&actor) {
                known.index(actor).ok()
            } else {
                known.find(actor)
            };
            let Some(index) = index else { continue };
            let mut everywhere = true;
            for number in ShardNumber::all() {
                let mut shard = self.tier.store.lock(number);
                if !shard.clock().is_retired(index) {
                    everywhere &= shard.retire(index, finals.last(number.get()));
                }
            }
            if everywhere {
                self.unlisted.insert(actor);
            }
            tokio::task::yield_now().await;
        }
        // Before this process is registered, one that was registered in between may be missing from the table: what it took
        // over would be taken over a second time.
        if actors.live(self.member).map(of_tier) == Some(self.tier.store.id()) {
            let places = earlier.iter().filter_map(|actor| known.index(*actor).ok()).collect();
            self.tier.store.set_predecessors(places);
        }
    }
}

fn of_tier(actor: types::ActorId) -> ActorId {
    ActorId(actor.0)
}

#[cfg(test)]
mod tests;
