//! What can be said about a domain, and which of it goes together.

use bincode::{Decode, Encode};
use quorate_eventual::Strategy;

use crate::types::{DomainField, DomainRefusal, Tier};

/// No key lives longer than this, in milliseconds: a hundred years.
pub const TTL_MS_MAX: u64 = 100 * 366 * 24 * 3600 * 1000;

/// What can be changed of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DomainSettings {
    /// What its keys, values and tags may take together, in bytes; 0: no limit.
    pub bytes_max: u64,
    /// How many entries it may hold; 0: no limit. Eventual tier only.
    pub entries_max: u64,
    /// How concurrent values become one: the number of a [`Strategy`]. 0 in the strong tier, where there are none.
    pub strategy: u8,
    /// Life of a key that is written without saying how long it lives, in milliseconds; 0: for ever.
    pub ttl_ms_default: u64,
    /// A write that would stay for ever is refused.
    pub ttl_required: bool,
    /// What happens when it is full. Eventual tier only.
    pub evict: Evict,
    /// What goes first.
    pub policy: EvictPolicy,
    /// What reads promise that do not say it themselves; none in the eventual tier, which has one level.
    pub level: Option<DefaultLevel>,
    /// A write is answered when no coherent cache can answer with what was there before it. Strong tier only.
    pub coherent: bool,
}

/// What happens to entries when a domain is full.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Evict {
    /// Nothing; writes that grow it are refused.
    #[default]
    None,
    /// Their values leave the memory and stay on disk.
    Memory,
    /// They are deleted, everywhere.
    Drop,
}

/// Which entries are evicted first.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum EvictPolicy {
    /// None.
    #[default]
    None,
    /// Those not used for longest.
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

impl EvictPolicy {
    /// As users see it.
    pub fn name(self) -> &'static str {
        match self {
            EvictPolicy::None => "none",
            EvictPolicy::Lru => "lru",
            EvictPolicy::Lfu => "lfu",
            EvictPolicy::Ttl => "ttl",
            EvictPolicy::Fifo => "fifo",
            EvictPolicy::Arc => "arc",
            EvictPolicy::Random => "random",
        }
    }
}

/// What a read promises that does not say it itself.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum DefaultLevel {
    /// Linearizable.
    #[default]
    Strong,
    /// No older than this.
    BoundedStale {
        /// In milliseconds, at least 1.
        max_staleness_ms: u64,
    },
    /// A prefix of the log.
    Local,
}

impl Evict {
    /// The policy that goes with it where none is named, and `before` was it until now.
    pub fn policy_after(self, before: EvictPolicy) -> EvictPolicy {
        match (self, before) {
            (Evict::None, _) => EvictPolicy::None,
            (_, EvictPolicy::None) => EvictPolicy::Lru,
            (_, before) => before,
        }
    }
}

impl DomainSettings {
    /// No limits, nothing ends, strong reads; in the eventual tier the last write stays.
    pub fn of_tier(tier: Tier) -> Self {
        let (strategy, level) = match tier {
            Tier::Strong => (0, Some(DefaultLevel::Strong)),
            Tier::Eventual => (Strategy::LastWrite as u8, None),
        };
        Self {
            bytes_max: 0,
            entries_max: 0,
            strategy,
            ttl_ms_default: 0,
            ttl_required: false,
            evict: Evict::None,
            policy: EvictPolicy::None,
            level,
            coherent: false,
        }
    }

    /// Refuses what does not go together, or not with this tier.
    pub fn check(&self, tier: Tier, volatile: bool) -> Result<(), DomainRefusal> {
        let foreign = match tier {
            Tier::Strong => [
                (volatile, DomainField::Volatile),
                (self.entries_max != 0, DomainField::EntriesMax),
                (self.strategy != 0, DomainField::Strategy),
                (self.evict != Evict::None, DomainField::Evict),
            ]
            .into_iter()
            .find_map(|(set, field)| set.then_some(field)),
            Tier::Eventual => [
                (self.level.is_some(), DomainField::Level),
                (self.coherent, DomainField::Coherent),
            ]
            .into_iter()
            .find_map(|(set, field)| set.then_some(field)),
        };
        if let Some(field) = foreign {
            return Err(DomainRefusal::NotOfTier { field, tier });
        }
        if tier == Tier::Eventual && Strategy::from_number(self.strategy).is_none() {
            return Err(DomainRefusal::UnknownStrategy { number: self.strategy });
        }
        if (self.evict == Evict::None) != (self.policy == EvictPolicy::None) {
            return Err(DomainRefusal::EvictWithoutPolicy);
        }
        if volatile && self.evict == Evict::Memory {
            return Err(DomainRefusal::VolatileOnDisk);
        }
        if self.level == Some(DefaultLevel::BoundedStale { max_staleness_ms: 0 }) {
            return Err(DomainRefusal::BoundOfZero);
        }
        if self.ttl_ms_default > TTL_MS_MAX {
            return Err(DomainRefusal::TtlTooLong {
                ttl_ms: self.ttl_ms_default,
                ttl_ms_max: TTL_MS_MAX,
            });
        }
        Ok(())
    }
}
