//! What is known of a domain.

use std::fmt;
use std::time::Duration;

use quorate_proto::v1;

use crate::consistency::{Consistency, whole_ms};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::Strategy;

/// Where the keys of a domain live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// In the replicated log: linearizable, with revisions.
    Strong,
    /// At every member, converging.
    Eventual,
}

/// What happens when an eventual domain is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evict {
    /// Writes that grow it are refused.
    #[default]
    None,
    /// Values leave the memory of each member and stay on its disk; not for a volatile domain. The limit of bytes is of memory.
    Memory,
    /// Entries are deleted, at every member.
    Drop,
}

/// Which entries go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictPolicy {
    /// Those not used for longest.
    #[default]
    Lru,
    /// Those used least often.
    Lfu,
    /// Those that end soonest.
    Ttl,
    /// Those written first.
    Fifo,
    /// By recency and by frequency, whichever served better lately.
    Arc,
    /// Any.
    Random,
}

/// What is known of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Where its keys live, for ever.
    pub tier: Tier,
    /// It is never on disk. Eventual tier only.
    pub volatile: bool,
    /// Its id, never used twice.
    pub id: u32,
    /// Every store has it.
    pub built_in: bool,
    /// What its keys, values and tags take. Strong tier only; otherwise 0.
    pub bytes: u64,
    /// What its keys, values and tags may take together; 0: no limit.
    pub bytes_max: u64,
    /// How many entries it may hold; 0: no limit. Eventual tier only.
    pub entries_max: u64,
    /// How concurrent values become one where the write does not say it. Eventual tier only, and only if this client
    /// knows it.
    pub strategy: Option<Strategy>,
    /// Life of a key that is written without saying how long it lives.
    pub ttl_default: Option<Duration>,
    /// A write that would stay for ever is refused.
    pub ttl_required: bool,
    /// What happens when it is full. Eventual tier only.
    pub evict: Evict,
    /// What goes first, if something goes.
    pub policy: Option<EvictPolicy>,
    /// What reads promise that do not say it themselves.
    pub consistency: Consistency,
    /// Writes wait for caches with strong coherence. Strong tier only.
    pub coherent: bool,
}

impl Domain {
    pub(super) fn from_wire(domain: Option<v1::Domain>) -> Result<Self> {
        let Some(domain) = domain else {
            return Err(misread("the answer has no domain"));
        };
        let settings = domain.settings.unwrap_or_default();
        let tier = match domain.tier() {
            v1::Tier::Strong => Tier::Strong,
            v1::Tier::Eventual => Tier::Eventual,
            v1::Tier::Unspecified => return Err(misread("the domain has a tier that this client does not know")),
        };
        let ttl_ms = settings.ttl_ms_default;
        Ok(Self {
            tier,
            volatile: domain.volatile,
            id: domain.id,
            built_in: domain.built_in,
            bytes: domain.bytes,
            bytes_max: settings.bytes_max,
            entries_max: settings.entries_max,
            strategy: Strategy::of_wire(settings.strategy()),
            ttl_default: (ttl_ms != 0).then(|| Duration::from_millis(ttl_ms)),
            ttl_required: settings.ttl_required,
            coherent: settings.coherent,
            evict: Evict::of_wire(settings.evict()),
            policy: EvictPolicy::of_wire(settings.policy()),
            consistency: match tier {
                Tier::Strong => consistency(settings.level.unwrap_or_default()),
                Tier::Eventual => Consistency::Eventual,
            },
            name: domain.name,
        })
    }
}

fn misread(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, Outcome::Unknown, what)
}

fn consistency(level: v1::DomainLevel) -> Consistency {
    match level.level() {
        v1::Level::BoundedStale => Consistency::BoundedStale(Duration::from_millis(level.max_staleness_ms)),
        v1::Level::Local => Consistency::Local,
        v1::Level::Eventual => Consistency::Eventual,
        v1::Level::Unspecified | v1::Level::Strong => Consistency::Strong,
    }
}

/// A level for a domain. The member refuses those that the domain cannot have.
pub(super) fn level(consistency: Consistency) -> v1::DomainLevel {
    let mut level = v1::DomainLevel::default();
    match consistency {
        Consistency::Strong => level.set_level(v1::Level::Strong),
        Consistency::BoundedStale(staleness_max) => {
            level.set_level(v1::Level::BoundedStale);
            level.max_staleness_ms = whole_ms(staleness_max);
        }
        Consistency::Local => level.set_level(v1::Level::Local),
        Consistency::Eventual => level.set_level(v1::Level::Eventual),
    }
    level
}

impl Tier {
    pub(super) fn to_wire(self) -> v1::Tier {
        match self {
            Tier::Strong => v1::Tier::Strong,
            Tier::Eventual => v1::Tier::Eventual,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Strong => "strong",
            Tier::Eventual => "eventual",
        })
    }
}

impl Evict {
    pub(super) fn to_wire(self) -> v1::Evict {
        match self {
            Evict::None => v1::Evict::None,
            Evict::Memory => v1::Evict::Memory,
            Evict::Drop => v1::Evict::Drop,
        }
    }

    fn of_wire(evict: v1::Evict) -> Self {
        match evict {
            v1::Evict::Unspecified | v1::Evict::None => Evict::None,
            v1::Evict::Memory => Evict::Memory,
            v1::Evict::Drop => Evict::Drop,
        }
    }
}

impl fmt::Display for Evict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Evict::None => "none",
            Evict::Memory => "memory",
            Evict::Drop => "drop",
        })
    }
}

const POLICIES: [(EvictPolicy, v1::EvictPolicy, &str); 6] = [
    (EvictPolicy::Lru, v1::EvictPolicy::Lru, "lru"),
    (EvictPolicy::Lfu, v1::EvictPolicy::Lfu, "lfu"),
    (EvictPolicy::Ttl, v1::EvictPolicy::Ttl, "ttl"),
    (EvictPolicy::Fifo, v1::EvictPolicy::Fifo, "fifo"),
    (EvictPolicy::Arc, v1::EvictPolicy::Arc, "arc"),
    (EvictPolicy::Random, v1::EvictPolicy::Random, "random"),
];

impl EvictPolicy {
    pub(super) fn to_wire(self) -> v1::EvictPolicy {
        let row = POLICIES.iter().find(|row| row.0 == self);
        row.map_or(v1::EvictPolicy::Unspecified, |row| row.1)
    }

    fn of_wire(policy: v1::EvictPolicy) -> Option<Self> {
        POLICIES.iter().find(|row| row.1 == policy).map(|row| row.0)
    }
}

impl fmt::Display for EvictPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = POLICIES.iter().find(|row| row.0 == *self);
        f.write_str(row.map_or("", |row| row.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_policies_come_back_as_they_went() {
        let bounded = Consistency::BoundedStale(Duration::from_millis(100));
        for asked in [Consistency::Strong, bounded, Consistency::Local, Consistency::Eventual] {
            assert_eq!(consistency(level(asked)), asked);
        }
        for (policy, _, _) in POLICIES {
            assert_eq!(EvictPolicy::of_wire(policy.to_wire()), Some(policy));
        }
        for evict in [Evict::None, Evict::Memory, Evict::Drop] {
            assert_eq!(Evict::of_wire(evict.to_wire()), evict);
        }
    }

    #[test]
    fn an_answer_without_a_domain_or_with_an_unknown_tier_is_no_answer() {
        assert!(Domain::from_wire(None).is_err());
        let domain = v1::Domain {
            tier: 9,
            ..Default::default()
        };
        assert!(Domain::from_wire(Some(domain)).is_err());
    }
}
