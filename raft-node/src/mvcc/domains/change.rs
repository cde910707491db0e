//! Creates, changes and drops domains.

use bincode::{Decode, Encode};

use super::row::Domain;
use super::settings::{DefaultLevel, DomainSettings, Evict, EvictPolicy};
use super::table::Domains;
use crate::types::{DomainId, DomainRefusal, Rejection, Tier};

/// Domains that a store may have, the built-in ones included.
pub const DOMAINS_MAX: u64 = 1024;

/// Bytes of a domain's name.
const NAME_BYTES_MAX: usize = 128;

/// A domain that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewDomain {
    /// 1 to 128 bytes of `[a-z0-9._-]`.
    pub name: String,
    /// For ever.
    pub tier: Tier,
    /// For ever: it is never on disk. Eventual tier only.
    pub volatile: bool,
    /// What can be changed later.
    pub settings: DomainSettings,
}

/// What changes of a domain's settings; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DomainChange {
    /// See [`DomainSettings::bytes_max`].
    pub bytes_max: Option<u64>,
    /// See [`DomainSettings::entries_max`].
    pub entries_max: Option<u64>,
    /// See [`DomainSettings::strategy`].
    pub strategy: Option<u8>,
    /// See [`DomainSettings::ttl_ms_default`].
    pub ttl_ms_default: Option<u64>,
    /// See [`DomainSettings::ttl_required`].
    pub ttl_required: Option<bool>,
    /// See [`DomainSettings::evict`].
    pub evict: Option<Evict>,
    /// See [`DomainSettings::policy`]. Without it, to evict nothing takes the policy away, and to evict something keeps
    /// it, or makes it [`EvictPolicy::Lru`].
    pub policy: Option<EvictPolicy>,
    /// See [`DomainSettings::level`].
    pub level: Option<DefaultLevel>,
    /// See [`DomainSettings::coherent`].
    pub coherent: Option<bool>,
}

impl NewDomain {
    /// Refuses what no store would create.
    pub fn check(&self) -> Result<(), DomainRefusal> {
        if !is_name(&self.name) {
            return Err(DomainRefusal::Name);
        }
        self.settings.check(self.tier, self.volatile)
    }
}

impl DomainChange {
    /// The settings after the change.
    pub fn applied_to(&self, settings: &DomainSettings) -> DomainSettings {
        let evict = self.evict.unwrap_or(settings.evict);
        DomainSettings {
            bytes_max: self.bytes_max.unwrap_or(settings.bytes_max),
            entries_max: self.entries_max.unwrap_or(settings.entries_max),
            strategy: self.strategy.unwrap_or(settings.strategy),
            ttl_ms_default: self.ttl_ms_default.unwrap_or(settings.ttl_ms_default),
            ttl_required: self.ttl_required.unwrap_or(settings.ttl_required),
            evict,
            policy: self.policy.unwrap_or(evict.policy_after(settings.policy)),
            level: self.level.or(settings.level),
            coherent: self.coherent.unwrap_or(settings.coherent),
        }
    }
}

impl Domains {
    /// Creates a domain. Returns it.
    pub fn create(&mut self, new: NewDomain) -> Result<Domain, Rejection> {
        let refused = |refusal| Err(Rejection::of_domain(&new.name, refusal));
        if let Err(refusal) = new.check() {
            return refused(refusal);
        }
        if self.find(&new.name).is_some() {
            return refused(DomainRefusal::Exists);
        }
        if self.len() >= DOMAINS_MAX {
            return refused(DomainRefusal::TooMany {
                domains_max: DOMAINS_MAX,
            });
        }
        let id = self.next_id();
        let Some(next) = id.0.checked_add(1) else {
            return refused(DomainRefusal::IdsUsedUp);
        };
        let domain = Domain {
            id,
            name: new.name,
            tier: new.tier,
            volatile: new.volatile,
            bytes: 0,
            settings: new.settings,
        };
        self.add(domain.clone(), DomainId(next));
        Ok(domain)
    }

    /// Changes a domain's settings. Returns it as it is then. A limit may be set below what the domain holds: then
    /// nothing is lost, and it can only shrink.
    pub fn change(&mut self, name: &str, change: &DomainChange) -> Result<Domain, Rejection> {
        let index = self.named(name)?;
        let domain = self.at(index);
        let settings = change.applied_to(&domain.settings);
        settings
            .check(domain.tier, domain.volatile)
            .map_err(|refusal| Rejection::of_domain(name, refusal))?;
        self.set(index, settings);
        Ok(self.at(index).clone())
    }

    /// Drops a domain: an eventual one with what it holds, a strong one only when it holds nothing. Returns it as it
    /// was.
    pub fn drop(&mut self, name: &str) -> Result<Domain, Rejection> {
        let index = self.named(name)?;
        let domain = self.at(index);
        if domain.is_built_in() {
            return Err(Rejection::of_domain(name, DomainRefusal::BuiltIn));
        }
        if domain.bytes > 0 {
            let bytes = domain.bytes;
            return Err(Rejection::of_domain(name, DomainRefusal::InUse { bytes }));
        }
        Ok(self.remove(index))
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}
