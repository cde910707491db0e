//! The table of domains as everybody but the one who applies sees it: immutable, replaced when a domain changes.

use std::collections::{BTreeMap, BTreeSet};

use quorate_eventual::Strategy;

use super::row::{BUILT_IN_MAX, Domain};
use super::settings::{DefaultLevel, Evict, EvictPolicy};
use super::table::Domains;
use crate::types::{DomainId, Rejection, Tier};

/// Every domain, without what changes with each write.
#[derive(Debug, Default)]
pub struct DomainTable {
    by_name: BTreeMap<String, Entry>,
    names: BTreeMap<DomainId, String>,
    /// Those whose writes wait for coherent caches.
    coherent: BTreeSet<DomainId>,
    /// What the next domain's id will be: none is used twice.
    next: Option<DomainId>,
}

#[derive(Debug)]
enum Entry {
    Strong(StrongDomain),
    Eventual(EventualDomain),
}

/// A domain of the strong tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrongDomain {
    /// Part of every stored key.
    pub id: DomainId,
    /// How calls name it.
    pub name: String,
    /// What reads promise that do not say it themselves.
    pub level: DefaultLevel,
}

/// A domain of the eventual tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventualDomain {
    /// Never used twice.
    pub id: DomainId,
    /// How calls name it.
    pub name: String,
    /// It is never on disk.
    pub volatile: bool,
    /// What its entries may take together, in bytes; 0: no limit.
    pub bytes_max: u64,
    /// How many entries it may hold; 0: no limit.
    pub entries_max: u64,
    /// How concurrent values become one where the write does not say it.
    pub strategy: Strategy,
    /// Life of an entry that is written without saying how long it lives, in milliseconds; 0: for ever.
    pub ttl_ms_default: u64,
    /// A write that would stay for ever is refused.
    pub ttl_required: bool,
    /// What happens when it is full.
    pub evict: Evict,
    /// What goes first.
    pub policy: EvictPolicy,
}

impl DomainTable {
    /// The table as it is now.
    pub fn of(domains: &Domains) -> Self {
        let mut table = Self {
            next: Some(domains.next_id()),
            ..Self::default()
        };
        for domain in domains.iter() {
            if domain.settings.coherent {
                table.coherent.insert(domain.id);
            }
            table.names.insert(domain.id, domain.name.clone());
            table.by_name.insert(domain.name.clone(), Entry::of(domain));
        }
        table
    }

    /// The strong domain of this name.
    pub fn strong(&self, name: &str) -> Result<&StrongDomain, Rejection> {
        match self.entry(name)? {
            Entry::Strong(domain) => Ok(domain),
            Entry::Eventual(_) => Err(mismatch(name, Tier::Eventual)),
        }
    }

    /// The eventual domain of this name.
    pub fn eventual(&self, name: &str) -> Result<&EventualDomain, Rejection> {
        match self.entry(name)? {
            Entry::Eventual(domain) => Ok(domain),
            Entry::Strong(_) => Err(mismatch(name, Tier::Strong)),
        }
    }

    /// The tier of the domain of this name; none if there is no such domain.
    pub fn tier(&self, name: &str) -> Option<Tier> {
        self.by_name.get(name).map(|entry| match entry {
            Entry::Strong(_) => Tier::Strong,
            Entry::Eventual(_) => Tier::Eventual,
        })
    }

    /// The name of the domain with this id; none if there is no such domain, or no longer.
    pub fn name(&self, id: DomainId) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// Writes of this domain wait for coherent caches.
    pub fn is_coherent(&self, id: DomainId) -> bool {
        self.coherent.contains(&id)
    }

    /// There is a domain whose writes do.
    pub fn any_coherent(&self) -> bool {
        !self.coherent.is_empty()
    }

    /// The eventual domain with this id; none if it was dropped, is not known yet, or is strong.
    pub fn eventual_by_id(&self, id: DomainId) -> Option<&EventualDomain> {
        self.name(id).and_then(|name| self.eventual(name).ok())
    }

    /// There was a domain with this id, and it was dropped. Not so for one that this member does not know yet.
    pub fn is_gone(&self, id: DomainId) -> bool {
        id > BUILT_IN_MAX && self.next.is_some_and(|next| id < next) && !self.names.contains_key(&id)
    }

    /// Every domain of the eventual tier, by name.
    pub fn all_eventual(&self) -> impl Iterator<Item = &EventualDomain> {
        self.by_name.values().filter_map(|entry| match entry {
            Entry::Eventual(domain) => Some(domain),
            Entry::Strong(_) => None,
        })
    }

    /// How many domains there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// There is none: only before the table was loaded.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn entry(&self, name: &str) -> Result<&Entry, Rejection> {
        self.by_name.get(name).ok_or_else(|| Rejection::UnknownDomain {
            domain: name.to_owned(),
        })
    }
}

impl Entry {
    fn of(domain: &Domain) -> Self {
        let (id, name, settings) = (domain.id, domain.name.clone(), &domain.settings);
        match domain.tier {
            Tier::Strong => Entry::Strong(StrongDomain {
                id,
                name,
                level: settings.level.unwrap_or_default(),
            }),
            Tier::Eventual => Entry::Eventual(EventualDomain {
                id,
                name,
                volatile: domain.volatile,
                bytes_max: settings.bytes_max,
                entries_max: settings.entries_max,
                strategy: Strategy::from_number(settings.strategy).unwrap_or_default(),
                ttl_ms_default: settings.ttl_ms_default,
                ttl_required: settings.ttl_required,
                evict: settings.evict,
                policy: settings.policy,
            }),
        }
    }
}

fn mismatch(name: &str, tier: Tier) -> Rejection {
    Rejection::TierMismatch {
        domain: name.to_owned(),
        tier,
    }
}
