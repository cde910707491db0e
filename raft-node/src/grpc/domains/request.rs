//! From the messages of the wire to commands and reads.

use quorate_proto::v1::{self as proto, Error};

use crate::grpc::error::{self, invalid};
use crate::grpc::request::{min_revision, stamp};
use crate::grpc::validate;
use crate::grpc::work::{DomainQuery, Expected, Query, Read, Work};
use crate::mvcc::{DefaultLevel, DomainChange, DomainSettings, Evict, EvictPolicy, NewDomain};
use crate::state_machine::{ChangeDomain, Command, CreateDomain, DropDomain};
use crate::types::{Rejection, Tier};

pub(in crate::grpc) fn create(request: proto::DomainCreateRequest) -> Result<Work, Error> {
    let tier = tier(request.tier)?;
    let domain = NewDomain {
        tier,
        volatile: request.volatile,
        settings: settings(tier, &request.settings.unwrap_or_default())?,
        name: request.name,
    };
    domain
        .check()
        .map_err(|refusal| error::rejection(&Rejection::of_domain(&domain.name, refusal)))?;
    let command = Command::CreateDomain(CreateDomain {
        stamp: stamp(request.stamp)?,
        domain,
    });
    Ok(Work::Mutate {
        command,
        expected: Expected::DomainCreate,
    })
}

pub(in crate::grpc) fn change(request: proto::DomainChangeRequest) -> Result<Work, Error> {
    let change = request.change.unwrap_or_default();
    let strategy = strategy(change.strategy)?;
    let command = Command::ChangeDomain(ChangeDomain {
        stamp: stamp(request.stamp)?,
        name: named(request.name)?,
        change: DomainChange {
            bytes_max: change.bytes_max,
            entries_max: change.entries_max,
            strategy: (strategy != 0).then_some(strategy),
            ttl_ms_default: change.ttl_ms_default,
            ttl_required: change.ttl_required,
            evict: evict(change.evict)?,
            policy: policy(change.policy)?,
            level: change.level.as_ref().map(level).transpose()?,
            coherent: change.coherent,
        },
    });
    Ok(Work::Mutate {
        command,
        expected: Expected::DomainChange,
    })
}

pub(in crate::grpc) fn drop(request: proto::DomainDropRequest) -> Result<Work, Error> {
    let command = Command::DropDomain(DropDomain {
        stamp: stamp(request.stamp)?,
        name: named(request.name)?,
    });
    Ok(Work::Mutate {
        command,
        expected: Expected::DomainDrop,
    })
}

pub(in crate::grpc) fn get(request: proto::DomainGetRequest) -> Result<Work, Error> {
    let name = named(request.name)?;
    read(request.read.as_ref(), DomainQuery::Get(name))
}

pub(in crate::grpc) fn list(request: &proto::DomainListRequest) -> Result<Work, Error> {
    read(request.read.as_ref(), DomainQuery::List)
}

fn read(options: Option<&proto::ReadOptions>, query: DomainQuery) -> Result<Work, Error> {
    Ok(Work::Read(Read {
        level: validate::level(options)?,
        min_revision: min_revision(options),
        query: Query::Domains(query),
    }))
}

/// There is no default among the domains to be looked at or changed.
fn named(name: String) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid("name", "no domain is named"));
    }
    validate::domain(&name)
}

fn tier(tier: i32) -> Result<Tier, Error> {
    match proto::Tier::try_from(tier) {
        Ok(proto::Tier::Strong) => Ok(Tier::Strong),
        Ok(proto::Tier::Eventual) => Ok(Tier::Eventual),
        Ok(proto::Tier::Unspecified) => Err(invalid("tier", "a domain has a tier, for ever: 1 strong, 2 eventual")),
        Err(_) => Err(invalid("tier", format!("tier {tier} is unknown: 1 strong, 2 eventual"))),
    }
}

fn settings(tier: Tier, settings: &proto::DomainSettings) -> Result<DomainSettings, Error> {
    let defaults = DomainSettings::of_tier(tier);
    let evict = evict(settings.evict)?.unwrap_or_default();
    let own_level = settings.level.as_ref().map(level).transpose()?;
    Ok(DomainSettings {
        bytes_max: settings.bytes_max,
        entries_max: settings.entries_max,
        strategy: match strategy(settings.strategy)? {
            0 => defaults.strategy,
            strategy => strategy,
        },
        ttl_ms_default: settings.ttl_ms_default,
        ttl_required: settings.ttl_required,
        evict,
        policy: policy(settings.policy)?.unwrap_or(evict.policy_after(EvictPolicy::None)),
        level: own_level.or(defaults.level),
        coherent: settings.coherent,
    })
}

/// Its number, the same as in the store; 0 for none.
fn strategy(strategy: i32) -> Result<u8, Error> {
    let known = proto::EventualStrategy::try_from(strategy).ok();
    let number = known.and_then(|known| u8::try_from(i32::from(known)).ok());
    number.ok_or_else(|| {
        let message =
            format!("strategy {strategy} is unknown: 1 last write, 2 union, 3 merge, 4 max, 5 min, 6 siblings");
        invalid("strategy", message)
    })
}

fn evict(evict: i32) -> Result<Option<Evict>, Error> {
    match proto::Evict::try_from(evict) {
        Ok(proto::Evict::Unspecified) => Ok(None),
        Ok(proto::Evict::None) => Ok(Some(Evict::None)),
        Ok(proto::Evict::Memory) => Ok(Some(Evict::Memory)),
        Ok(proto::Evict::Drop) => Ok(Some(Evict::Drop)),
        Err(_) => Err(invalid(
            "evict",
            format!("evict {evict} is unknown: 1 none, 2 memory, 3 drop"),
        )),
    }
}

fn policy(policy: i32) -> Result<Option<EvictPolicy>, Error> {
    match proto::EvictPolicy::try_from(policy) {
        Ok(proto::EvictPolicy::Unspecified) => Ok(None),
        Ok(proto::EvictPolicy::Lru) => Ok(Some(EvictPolicy::Lru)),
        Ok(proto::EvictPolicy::Lfu) => Ok(Some(EvictPolicy::Lfu)),
        Ok(proto::EvictPolicy::Ttl) => Ok(Some(EvictPolicy::Ttl)),
        Ok(proto::EvictPolicy::Fifo) => Ok(Some(EvictPolicy::Fifo)),
        Ok(proto::EvictPolicy::Arc) => Ok(Some(EvictPolicy::Arc)),
        Ok(proto::EvictPolicy::Random) => Ok(Some(EvictPolicy::Random)),
        Err(_) => Err(invalid(
            "policy",
            format!("policy {policy} is unknown: 1 lru, 2 lfu, 3 ttl, 4 fifo, 5 arc, 6 random"),
        )),
    }
}

fn level(level: &proto::DomainLevel) -> Result<DefaultLevel, Error> {
    match proto::Level::try_from(level.level) {
        Ok(proto::Level::Unspecified | proto::Level::Strong) => Ok(DefaultLevel::Strong),
        Ok(proto::Level::BoundedStale) => Ok(DefaultLevel::BoundedStale {
            max_staleness_ms: level.max_staleness_ms,
        }),
        Ok(proto::Level::Local) => Ok(DefaultLevel::Local),
        Ok(proto::Level::Eventual) | Err(_) => Err(invalid(
            "level.level",
            format!(
                "level {} is none of the strong tier: 1 strong, 2 bounded stale, 3 local; the eventual tier has one",
                level.level
            ),
        )),
    }
}
