//! What domains may hold.
//!
//! ```text
//! admit.rs     before a client's write: a domain that is nearly full takes nothing that makes it larger
//! evict.rs     entries of a cache go, chosen by one member for all; values go to the disk, chosen by each for itself
//! pressure.rs  how full a domain is, and that it is said when that changes
//! ```
//!
//! *Invariant*: what peers send is always applied, however full a domain is. A member that refused it would differ.

mod admit;
mod evict;
mod pressure;

use std::sync::Arc;

use quorate_eventual::policy::{Policy, Tick};
use quorate_eventual::{SHARDS_PER_SET, ShardNumber};

use super::Tier;
use crate::mvcc::{DomainTable, EventualDomain, Evict, EvictPolicy};
use crate::types::MemberId;

pub use admit::{Full, NotWritten};
pub(super) use evict::full_of_values;
pub use pressure::Pressure;

/// Keeps the domains of one member within their limits.
pub(super) struct Limits {
    tier: Arc<Tier>,
    member: MemberId,
    /// The table that the shards were told of.
    domains: Arc<DomainTable>,
    levels: pressure::Levels,
    /// Where the next eviction begins, so that it is not always the same shards.
    first: u16,
}

impl Limits {
    pub(super) fn new(tier: Arc<Tier>, member: MemberId) -> Self {
        Limits {
            tier,
            member,
            domains: Arc::default(),
            levels: pressure::Levels::default(),
            first: 0,
        }
    }

    /// Looks at every domain once, and evicts what has to go.
    pub(super) async fn step(&mut self, domains: &Arc<DomainTable>) {
        let now = Tick(self.tier.wall_ms());
        for number in ShardNumber::all() {
            self.tier.store.lock(number).tick(now);
        }
        if !Arc::ptr_eq(domains, &self.domains) {
            self.follow(domains);
        }
        for domain in domains.all_eventual() {
            let counts = self.tier.store.counts().domain(domain.id.0);
            self.levels.look(domain, Pressure::of_domain(domain, &counts));
            match domain.evict {
                Evict::None => {}
                Evict::Memory => self.chill(domain).await,
                Evict::Drop => self.evict(domain).await,
            }
        }
    }

    /// Entries remember their use as the policies of their domains want.
    fn follow(&mut self, domains: &Arc<DomainTable>) {
        for domain in self.domains.all_eventual() {
            if domains.eventual_by_id(domain.id).is_none() {
                self.evict_by(domain, None);
            }
        }
        for domain in domains.all_eventual() {
            self.evict_by(domain, policy_of(domain));
        }
        self.domains = Arc::clone(domains);
    }

    fn evict_by(&self, domain: &EventualDomain, policy: Option<Policy>) {
        for number in shards_of(domain, 0) {
            self.tier.store.lock(number).evict_by(domain.id.0, policy);
        }
    }
}

/// The shards of a domain, from one of them on.
pub(super) fn shards_of(domain: &EventualDomain, first: u16) -> impl Iterator<Item = ShardNumber> {
    let begin = if domain.volatile { SHARDS_PER_SET } else { 0 };
    let all = (0..SHARDS_PER_SET).map(move |place| begin + (place + first % SHARDS_PER_SET) % SHARDS_PER_SET);
    all.filter_map(|number| ShardNumber::new(u32::from(number)))
}

fn policy_of(domain: &EventualDomain) -> Option<Policy> {
    match (domain.evict, domain.policy) {
        (Evict::None, _) | (_, EvictPolicy::None) => None,
        (_, EvictPolicy::Lru) => Some(Policy::Lru),
        (_, EvictPolicy::Lfu) => Some(Policy::Lfu),
        (_, EvictPolicy::Ttl) => Some(Policy::Ttl),
        (_, EvictPolicy::Fifo) => Some(Policy::Fifo),
        (_, EvictPolicy::Arc) => Some(Policy::Arc),
        (_, EvictPolicy::Random) => Some(Policy::Random),
    }
}

#[cfg(test)]
mod tests;
