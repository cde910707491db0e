//! The rows of domains, and those that every store has.

use bincode::{Decode, Encode};

use super::settings::{DefaultLevel, DomainSettings, Evict, EvictPolicy};
use crate::codec::{self, CodecError};
use crate::mvcc::keys;
use crate::mvcc::record::corrupt;
use crate::storage::{StorageError, Table, View};
use crate::types::{DomainId, Tier};

/// A keyspace. What is stored of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Domain {
    /// Part of every stored key.
    pub id: DomainId,
    /// How calls name it.
    pub name: String,
    /// Where its keys live.
    pub tier: Tier,
    /// It is never on disk. Eventual tier only.
    pub volatile: bool,
    /// What its keys, values and tags take, in bytes. Strong tier only.
    pub bytes: u64,
    /// What can be changed.
    pub settings: DomainSettings,
}

impl codec::Record for Domain {
    const ID: u16 = 0x0203;
    const VERSION: u8 = 2;
}

/// Version 1 of the row, from before domains could be created.
#[derive(Decode)]
struct BuiltInRow {
    id: DomainId,
    name: String,
    tier: Tier,
    bytes_max: u64,
    bytes: u64,
}

/// The id of the next domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NextDomain {
    /// Greater than every id that was used.
    pub id: DomainId,
}

impl codec::Record for NextDomain {
    const ID: u16 = 0x020B;
    const VERSION: u8 = 1;
}

impl NextDomain {
    /// Its key in the meta table.
    pub fn key() -> Vec<u8> {
        keys::meta(b"next-domain")
    }

    /// Reads it. A store in which no domain was ever created has no such row.
    pub fn load(view: &dyn View) -> Result<Self, StorageError> {
        match view.get(Table::Meta, &Self::key())? {
            Some(row) => codec::decode(&row).map_err(|error| corrupt("reading the next id of a domain", &error)),
            None => Ok(Self {
                id: DomainId(BUILT_IN_MAX.0 + 1),
            }),
        }
    }
}

/// The greatest id of a domain that every store has.
pub const BUILT_IN_MAX: DomainId = DomainId(7);

impl Domain {
    /// Those that every store has.
    pub fn built_in() -> Vec<Domain> {
        let strong = DomainSettings::of_tier(Tier::Strong);
        let eventual = DomainSettings::of_tier(Tier::Eventual);
        let plain = |id, name: &str, settings: DomainSettings| Domain {
            id: DomainId(id),
            name: name.to_owned(),
            tier: if settings.level.is_some() {
                Tier::Strong
            } else {
                Tier::Eventual
            },
            volatile: false,
            bytes: 0,
            settings,
        };
        let limited = |bytes_max, settings: &DomainSettings| DomainSettings {
            bytes_max,
            ..settings.clone()
        };
        let session = DomainSettings {
            level: Some(DefaultLevel::BoundedStale { max_staleness_ms: 100 }),
            ..limited(100_000_000, &strong)
        };
        let cache = DomainSettings {
            evict: Evict::Drop,
            policy: EvictPolicy::Lru,
            ..limited(300_000_000, &eventual)
        };
        let ephemeral = DomainSettings {
            ttl_required: true,
            ..limited(50_000_000, &eventual)
        };
        let volatile = |domain| Domain {
            volatile: true,
            ..domain
        };
        vec![
            plain(1, "default", strong.clone()),
            plain(2, "default-eventual", eventual.clone()),
            plain(3, "session", session),
            plain(4, "shared", limited(200_000_000, &strong)),
            plain(5, "registry", limited(50_000_000, &strong)),
            volatile(plain(6, "cache", cache)),
            volatile(plain(7, "ephemeral", ephemeral)),
        ]
    }

    /// Every store has it.
    pub fn is_built_in(&self) -> bool {
        self.id <= BUILT_IN_MAX
    }

    /// The domain in a row of any version.
    pub fn from_row(row: &[u8]) -> Result<Domain, CodecError> {
        let (header, payload, rest) = codec::open(row)?;
        match (header.id, header.version, rest) {
            (<Domain as codec::Record>::ID, 2, []) => codec::payload_as(header.id, payload),
            (<Domain as codec::Record>::ID, 1, []) => codec::payload_as::<BuiltInRow>(header.id, payload)?.upgraded(),
            (id, version, _) => Err(CodecError::Unknown { id, version }),
        }
    }
}

impl BuiltInRow {
    /// With the settings that the domain has had since.
    fn upgraded(self) -> Result<Domain, CodecError> {
        let mut built_in = Domain::built_in().into_iter();
        let found =
            built_in.find(|domain| domain.id == self.id && domain.name == self.name && domain.tier == self.tier);
        let Some(domain) = found else {
            return Err(CodecError::Payload {
                id: <Domain as codec::Record>::ID,
                reason: format!("no domain {:?} with id {} is built in", self.name, self.id.0),
            });
        };
        let settings = DomainSettings {
            bytes_max: self.bytes_max,
            ..domain.settings
        };
        Ok(Domain {
            bytes: self.bytes,
            settings,
            ..domain
        })
    }
}

/// A domain's row.
pub fn stored(domain: &Domain) -> Result<Vec<u8>, StorageError> {
    codec::encode(domain).map_err(|error| corrupt("writing a domain", &error))
}
