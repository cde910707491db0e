//! What a member has in memory, by domain.

use std::sync::atomic::Ordering;

use quorate_eventual::{DomainCounts, Strategy};
use quorate_proto::v1::{DomainMemory, MemberMemory};

use super::Tier;
use crate::mvcc::{DomainTable, EventualDomain};
use crate::types::MemberId;

/// How full a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below 60 % of its limits.
    Low,
    /// From 60 %.
    Medium,
    /// From 80 %: what may be evicted is.
    High,
    /// From 90 %: writes that grow it are refused.
    Critical,
}

impl Pressure {
    /// Of a domain that holds so much of at most so much. Without a limit it is low.
    pub fn of(value: u64, limit: u64) -> Self {
        match limit {
            0 => Pressure::Low,
            limit => match u128::from(value) * 100 / u128::from(limit) {
                0..60 => Pressure::Low,
                60..80 => Pressure::Medium,
                80..90 => Pressure::High,
                _ => Pressure::Critical,
            },
        }
    }

    /// As users see it.
    pub fn name(self) -> &'static str {
        match self {
            Pressure::Low => "low",
            Pressure::Medium => "medium",
            Pressure::High => "high",
            Pressure::Critical => "critical",
        }
    }
}

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
    let pressure =
        Pressure::of(counts.bytes(), domain.bytes_max).max(Pressure::of(counts.entries(), domain.entries_max));
    DomainMemory {
        domain: domain.name.clone(),
        entries: counts.entries(),
        bytes: counts.bytes(),
        bytes_max: domain.bytes_max,
        pressure: pressure.name().to_owned(),
        evicted: counts.evicted.load(Ordering::Relaxed),
        refused: counts.refused.load(Ordering::Relaxed),
        expired: counts.expired.load(Ordering::Relaxed),
        conflicts: Strategy::ALL
            .into_iter()
            .map(|strategy| counts.conflicts(strategy))
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_rises_at_60_80_and_90_percent() {
        let levels = [0, 59, 60, 79, 80, 89, 90, 100, 250].map(|value| Pressure::of(value, 100).name());
        let expected = [
            "low", "low", "medium", "medium", "high", "high", "critical", "critical", "critical",
        ];
        assert_eq!(levels, expected);
        assert_eq!(Pressure::of(u64::MAX, 0), Pressure::Low);
    }
}
