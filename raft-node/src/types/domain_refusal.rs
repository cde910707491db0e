//! Why a command about domains, or a write to one, was refused.

use std::fmt;

use bincode::{Decode, Encode};

use super::Tier;

/// What the rules of domains forbid.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum DomainRefusal {
    /// The name is taken.
    #[error("it exists already")]
    Exists,
    /// Every store has it.
    #[error("it is built in and cannot be dropped")]
    BuiltIn,
    /// It holds keys.
    #[error("it holds {bytes} bytes: delete its keys first")]
    InUse {
        /// Bytes of its keys, values and tags.
        bytes: u64,
    },
    /// There are as many as there may be.
    #[error("{domains_max} domains exist, which is the limit: drop one first")]
    TooMany {
        /// The limit.
        domains_max: u64,
    },
    /// Ids are never used twice, and none is left.
    #[error("every id of a domain was used")]
    IdsUsedUp,
    /// Not a name.
    #[error("a name has 1 to 128 bytes, each of a-z, 0-9, '.', '_' or '-'")]
    Name,
    /// The setting means nothing in a domain of this tier.
    #[error("{field} cannot be set: the domain is {tier}")]
    NotOfTier {
        /// Which.
        field: DomainField,
        /// The domain's.
        tier: Tier,
    },
    /// No strategy has this number.
    #[error("strategy {number} is unknown: 1 last write, 2 union, 3 merge, 4 max, 5 min, 6 siblings")]
    UnknownStrategy {
        /// What was asked for.
        number: u8,
    },
    /// How to evict, and what first, go together.
    #[error("evict and policy go together: set both, or neither")]
    EvictWithoutPolicy,
    /// A volatile domain is never on disk.
    #[error("a volatile domain is never on disk, so its values cannot be moved there: evict them by dropping them")]
    VolatileOnDisk,
    /// Nothing can be that fresh without being asked for strongly.
    #[error("a bound of 0 ms cannot be met: make the level strong")]
    BoundOfZero,
    /// Longer than any key may live.
    #[error("a life of {ttl_ms} ms is too long; the limit is {ttl_ms_max} ms")]
    TtlTooLong {
        /// What was asked for, in milliseconds.
        ttl_ms: u64,
        /// The limit, in milliseconds.
        ttl_ms_max: u64,
    },
    /// The write would stay for ever.
    #[error("its keys must end by themselves: give the write a TTL or a lease")]
    TtlRequired,
}

/// A setting of a domain.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DomainField {
    /// It is never on disk.
    Volatile,
    /// How many entries it may hold.
    EntriesMax,
    /// How concurrent values become one.
    Strategy,
    /// What happens when it is full.
    Evict,
    /// What reads promise that do not say it themselves.
    Level,
    /// Whether writes wait for coherent caches.
    Coherent,
}

impl DomainField {
    /// As the wire and the command line call it.
    pub fn name(self) -> &'static str {
        match self {
            DomainField::Volatile => "volatile",
            DomainField::EntriesMax => "entries_max",
            DomainField::Strategy => "strategy",
            DomainField::Evict => "evict",
            DomainField::Level => "level",
            DomainField::Coherent => "coherent",
        }
    }
}

impl fmt::Display for DomainField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DomainRefusal {
    /// The field of a request that is at fault; empty if it is none in particular.
    pub fn field(&self) -> &'static str {
        match self {
            DomainRefusal::Exists | DomainRefusal::BuiltIn | DomainRefusal::InUse { .. } | DomainRefusal::Name => {
                "name"
            }
            DomainRefusal::TooMany { .. } | DomainRefusal::IdsUsedUp => "",
            DomainRefusal::NotOfTier { field, .. } => field.name(),
            DomainRefusal::UnknownStrategy { .. } => "strategy",
            DomainRefusal::EvictWithoutPolicy => "policy",
            DomainRefusal::VolatileOnDisk => "evict",
            DomainRefusal::BoundOfZero => "level.max_staleness_ms",
            DomainRefusal::TtlTooLong { .. } => "ttl_ms_default",
            DomainRefusal::TtlRequired => "ttl_ms",
        }
    }
}
