//! Entries of a cache go.
//!
//! What one member takes away, all lose: it is deleted by operations. So each shard has one member that does it, by rendezvous
//! hashing over those that are connected; if each member chose its own victims, several times as much would go.
//! Members that see each other differently may both choose for a while. One that is nearly full does not wait for another.
//!
//! Values that go to the disk alone are every member's own business: each brings itself to the same level.

use quorate_eventual::policy::Words;
use quorate_eventual::{DomainCounts, HeldOfDomain, SHARDS_PER_SET, ShardNumber};

use super::{Limits, Pressure, shards_of};
use crate::eventual::Tier;
use crate::mvcc::{DomainTable, EventualDomain, Evict};
use crate::types::MemberId;

/// From here on entries go ...
const EVICT_FROM_PERCENT: u64 = 80;
/// ... until this is left.
const EVICT_TO_PERCENT: u64 = 75;
/// From here on every member evicts, ...
const ALL_EVICT_FROM_PERCENT: u64 = 95;
/// ... until this is left.
const ALL_EVICT_TO_PERCENT: u64 = 94;
/// Entries that go under one lock.
const VICTIMS_MAX: u64 = 64;

/// What a domain may hold when it was evicted from, counted as its more pressing limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Goal {
    by: By,
    /// In all shards together.
    value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Bytes,
    Entries,
}

impl By {
    fn of(self, held: HeldOfDomain) -> u64 {
        match self {
            By::Bytes => held.bytes,
            By::Entries => held.entries,
        }
    }
}

impl Goal {
    /// None below `from` percent of every limit.
    fn of(domain: &EventualDomain, counts: &DomainCounts, from: u64, to: u64) -> Option<Self> {
        let percent = |limit: u64, percent: u64| u128::from(limit) * u128::from(percent) / 100;
        let limits = [
            (By::Bytes, domain.bytes_max, counts.bytes()),
            (By::Entries, domain.entries_max, counts.entries()),
        ];
        let over = limits
            .into_iter()
            .filter(|(_, limit, value)| *limit != 0 && u128::from(*value) >= percent(*limit, from).max(1));
        let (by, limit, _) =
            over.max_by_key(|(_, limit, value)| u128::from(*value) * 1_000_000 / u128::from(*limit))?;
        let value = u64::try_from(percent(limit, to)).unwrap_or(u64::MAX);
        Some(Goal { by, value })
    }

    /// The same by bytes alone: no entry goes when its value does.
    fn of_bytes(domain: &EventualDomain, counts: &DomainCounts, from: u64, to: u64) -> Option<Self> {
        let of_bytes = EventualDomain {
            entries_max: 0,
            ..domain.clone()
        };
        Self::of(&of_bytes, counts, from, to)
    }

    /// What so many shards may hold of it. Keys are spread evenly, so each may hold the same.
    fn of_shards(&self, shards: usize) -> u64 {
        let part = u128::from(self.value) * shards as u128 / u128::from(SHARDS_PER_SET);
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

impl Limits {
    /// Evicts what this member has to of the domain.
    pub(super) async fn evict(&mut self, domain: &EventualDomain) {
        let counts = self.tier.store.counts().domain(domain.id.0);
        let nearly_full = Goal::of(domain, &counts, ALL_EVICT_FROM_PERCENT, ALL_EVICT_TO_PERCENT);
        let Some(goal) = Goal::of(domain, &counts, EVICT_FROM_PERCENT, EVICT_TO_PERCENT) else {
            return;
        };
        let connected = self.connected();
        self.first = self.first.wrapping_add(1);
        let (mine, others): (Vec<_>, Vec<_>) =
            shards_of(domain, self.first).partition(|number| evictor(*number, &connected) == self.member);
        self.evict_to(domain, goal, &mine).await;
        if let Some(goal) = nearly_full {
            self.evict_to(domain, goal, &others).await;
        }
    }

    /// Values of the domain leave the memory of this member.
    pub(super) async fn chill(&mut self, domain: &EventualDomain) {
        let counts = self.tier.store.counts().domain(domain.id.0);
        let goal = || Goal::of_bytes(domain, &counts, EVICT_FROM_PERCENT, EVICT_TO_PERCENT);
        let Some(first_goal) = goal() else { return };
        self.first = self.first.wrapping_add(1);
        let shards: Vec<ShardNumber> = shards_of(domain, self.first).collect();
        self.chill_to(domain, first_goal, &shards).await;
        // What was written since the last flush could not leave, and no longer waits for the next one.
        if Pressure::of_domain(domain, &counts) == Pressure::Critical
            && let Some(second_goal) = goal()
            && self.tier.flush_now().await
        {
            self.chill_to(domain, second_goal, &shards).await;
        }
    }

    /// Some shards have no more values to give up than keys; then the others give up more.
    async fn chill_to(&self, domain: &EventualDomain, goal: Goal, shards: &[ShardNumber]) {
        let counts = self.tier.store.counts().domain(domain.id.0);
        let mut before = u64::MAX;
        while counts.bytes() > goal.value && counts.bytes() < before {
            before = counts.bytes();
            self.evict_to(domain, goal, shards).await;
        }
    }

    /// Brings these shards to their part of the goal, each by as much of what it holds.
    async fn evict_to(&self, domain: &EventualDomain, goal: Goal, shards: &[ShardNumber]) {
        let id = domain.id.0;
        let held = |number: &ShardNumber| goal.by.of(self.tier.store.lock(*number).held_of(id));
        let all: u64 = shards.iter().map(held).sum();
        let excess = all.saturating_sub(goal.of_shards(shards.len()));
        let mut left = excess;
        for number in shards {
            let share = (u128::from(excess) * u128::from(held(number))).div_ceil(u128::from(all.max(1)));
            let mut of_shard = u64::try_from(share).unwrap_or(u64::MAX).min(left);
            while of_shard > 0 {
                let gone = match domain.evict {
                    Evict::Memory => self.tier.chill_some(id, *number, of_shard),
                    Evict::None | Evict::Drop => self.evict_some(id, *number, goal.by, of_shard),
                };
                if gone == 0 {
                    break;
                }
                of_shard = of_shard.saturating_sub(gone);
                left = left.saturating_sub(gone);
                tokio::task::yield_now().await;
            }
            if left == 0 {
                return;
            }
        }
    }

    /// A few entries of a shard, or fewer if so much is gone. Returns how much is.
    fn evict_some(&self, domain: u32, number: ShardNumber, by: By, wanted: u64) -> u64 {
        let now_ms = self.tier.wall_ms();
        let mut shard = self.tier.store.lock(number);
        let before = by.of(shard.held_of(domain));
        let mut gone = 0;
        for _ in 0..VICTIMS_MAX {
            if gone >= wanted || !shard.evict(domain, now_ms) {
                break;
            }
            gone = before.saturating_sub(by.of(shard.held_of(domain)));
        }
        drop(shard);
        self.tier.wrote([number]);
        gone
    }

    fn connected(&self) -> Vec<MemberId> {
        let peers = self.tier.peers.all().into_iter();
        let connected = peers.filter(|peer| peer.is_connected()).map(|peer| peer.member);
        connected.chain([self.member]).collect()
    }
}

/// Domains that keep on the disk alone what is too much, and that have as much in memory as they keep there.
pub(in crate::eventual) fn full_of_values(tier: &Tier, domains: &DomainTable) -> Vec<u32> {
    let moving = domains.all_eventual().filter(|domain| domain.evict == Evict::Memory);
    let full = moving.filter(|domain| {
        let counts = tier.store.counts().domain(domain.id.0);
        Goal::of_bytes(domain, &counts, EVICT_TO_PERCENT, EVICT_TO_PERCENT).is_some()
    });
    full.map(|domain| domain.id.0).collect()
}

/// Who evicts from a shard.
fn evictor(shard: ShardNumber, members: &[MemberId]) -> MemberId {
    let score = |member: &MemberId| Words::new(*member ^ u64::from(shard.get()) << 48).draw();
    members.iter().copied().max_by_key(score).unwrap_or_default()
}

#[cfg(test)]
pub(super) fn evictor_of(shard: ShardNumber, members: &[MemberId]) -> MemberId {
    evictor(shard, members)
}
