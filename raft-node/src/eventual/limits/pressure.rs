//! How full domains are.

use std::collections::BTreeMap;

use quorate_eventual::DomainCounts;

use crate::mvcc::{EventualDomain, Evict};
use crate::types::DomainId;

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

    /// Of a domain: by bytes or by entries, whichever is more.
    pub fn of_domain(domain: &EventualDomain, counts: &DomainCounts) -> Self {
        Self::of(counts.bytes(), domain.bytes_max).max(Self::of(counts.entries(), domain.entries_max))
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

/// The level each domain had when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Levels(BTreeMap<DomainId, Pressure>);

impl Levels {
    /// Says so if the level is another than before. Returns whether it is.
    pub(super) fn look(&mut self, domain: &EventualDomain, now: Pressure) -> bool {
        let before = self.0.insert(domain.id, now).unwrap_or(Pressure::Low);
        if before == now {
            return false;
        }
        let (name, from, to) = (domain.name.as_str(), before.name(), now.name());
        if domain.evict == Evict::Memory && now.max(before) < Pressure::Critical {
            // It lives there, and goes up and down all the time.
            tracing::debug!(domain = name, from, to, "memory pressure of a domain");
        } else if now < Pressure::High || now < before {
            tracing::info!(domain = name, from, to, "memory pressure of a domain");
        } else if domain.evict == Evict::None {
            tracing::warn!(
                domain = name,
                from,
                to,
                "memory pressure of a domain that evicts nothing: from 90 % of a limit, writes that grow it are refused"
            );
        } else {
            tracing::warn!(domain = name, from, to, "memory pressure of a domain");
        }
        true
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
