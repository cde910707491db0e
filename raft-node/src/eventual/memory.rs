//! What a member has in memory, by domain.

use std::sync::atomic::Ordering;

use quorate_eventual::{DomainCounts, Strategy};
use quorate_proto::v1::{DomainMemory, EventualStrategy, MemberMemory, StrategyConflicts};

use super::Tier;
use super::limits::Pressure;
use crate::mvcc::{DomainTable, EventualDomain};
use crate::types::MemberId;

/// What this member has in memory.
pub fn of_member(tier: &Tier, domains: &DomainTable, member: MemberId) -> MemberMemory {
    let (log_operations, orphan_bytes) = tier.store.kept_for_peers();
    MemberMemory {
        member_id: member,
        domains: domains
            .all_eventual()
            .map(|domain| of_domain(domain, &tier.store.counts().domain(domain.id.0)))
            .collect(),
        log_operations,
        log_bytes: log_operations * quorate_eventual::LOG_OPERATION_BYTES,
        orphan_bytes,
        unreachable: String::new(),
    }
}

fn of_domain(domain: &EventualDomain, counts: &DomainCounts) -> DomainMemory {
    let pressure = Pressure::of_domain(domain, counts);
    DomainMemory {
        domain: domain.name.clone(),
        entries: counts.entries(),
        bytes: counts.bytes(),
        bytes_max: domain.bytes_max,
        cold_values: counts.cold_values(),
        cold_bytes: counts.cold_bytes(),
        pressure: pressure.name().to_owned(),
        evicted: counts.evicted.load(Ordering::Relaxed),
        refused: counts.refused.load(Ordering::Relaxed),
        expired: counts.expired.load(Ordering::Relaxed),
        conflicts: Strategy::ALL
            .into_iter()
            .map(|strategy| counts.conflicts(strategy))
            .sum(),
        conflicts_by_strategy: Strategy::ALL
            .into_iter()
            .map(|strategy| StrategyConflicts {
                strategy: wire_strategy(strategy).into(),
                conflicts: counts.conflicts(strategy),
            })
            .filter(|of_strategy| of_strategy.conflicts > 0)
            .collect(),
    }
}

/// A strategy as clients see it.
pub fn wire_strategy(strategy: Strategy) -> EventualStrategy {
    match strategy {
        Strategy::LastWrite => EventualStrategy::LastWrite,
        Strategy::Union => EventualStrategy::Union,
        Strategy::Merge => EventualStrategy::Merge,
        Strategy::Max => EventualStrategy::Max,
        Strategy::Min => EventualStrategy::Min,
        Strategy::Siblings => EventualStrategy::Siblings,
    }
}
