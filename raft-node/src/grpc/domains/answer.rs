//! From what the store answers to the messages of the wire.

use std::time::Duration;

use quorate_proto::v1::{self as proto, reply};

use crate::grpc::api::Api;
use crate::grpc::error;
use crate::grpc::reply::milliseconds;
use crate::grpc::work::{DomainQuery, Expected};
use crate::mvcc::{DefaultLevel, Domain, Domains, Evict, EvictPolicy};
use crate::state_machine::Reader;
use crate::storage::{StorageError, View};
use crate::types::{Rejection, Revision, Tier};

/// The answer of a command that was made for this call; none if the call expects another kind.
pub(in crate::grpc) fn changed(
    api: &Api,
    expected: Expected,
    domain: &Domain,
    revision: Revision,
) -> Option<reply::Response> {
    let header = Some(api.header(revision.0));
    let domain = Some(shown(domain));
    match expected {
        Expected::DomainCreate => Some(reply::Response::DomainCreate(proto::DomainCreateResponse {
            header,
            domain,
        })),
        Expected::DomainChange => Some(reply::Response::DomainChange(proto::DomainChangeResponse {
            header,
            domain,
        })),
        Expected::DomainDrop => Some(reply::Response::DomainDrop(proto::DomainDropResponse {
            header,
            domain,
        })),
        _ => None,
    }
}

/// Answers what is asked of domains. Reads their rows: the published table does not count bytes.
pub(in crate::grpc) fn query(api: &Api, view: &dyn View, query: &DomainQuery, staleness: Duration) -> reply::Response {
    let read = || Ok::<_, StorageError>((Reader::new(view).header()?.revision, Domains::load(view)?));
    let (revision, domains) = match read() {
        Ok(read) => read,
        Err(failed) => return reply::Response::Error(error::storage(&failed)),
    };
    let (header, staleness_ms) = (Some(api.header(revision.0)), milliseconds(staleness));
    match query {
        DomainQuery::List => reply::Response::DomainList(proto::DomainListResponse {
            header,
            domains: domains.iter().map(shown).collect(),
            staleness_ms,
        }),
        DomainQuery::Get(name) => match domains.iter().find(|domain| domain.name == *name) {
            Some(domain) => reply::Response::DomainGet(proto::DomainGetResponse {
                header,
                domain: Some(shown(domain)),
                staleness_ms,
            }),
            None => reply::Response::Error(error::rejection(&Rejection::UnknownDomain { domain: name.clone() })),
        },
    }
}

pub(super) fn shown(domain: &Domain) -> proto::Domain {
    let settings = &domain.settings;
    let mut shown = proto::DomainSettings {
        bytes_max: settings.bytes_max,
        entries_max: settings.entries_max,
        // The numbers are the same.
        strategy: settings.strategy.into(),
        ttl_ms_default: settings.ttl_ms_default,
        ttl_required: settings.ttl_required,
        level: settings.level.map(level),
        coherent: settings.coherent,
        ..Default::default()
    };
    if domain.tier == Tier::Eventual {
        shown.set_evict(match settings.evict {
            Evict::None => proto::Evict::None,
            Evict::Memory => proto::Evict::Memory,
            Evict::Drop => proto::Evict::Drop,
        });
    }
    shown.set_policy(match settings.policy {
        EvictPolicy::None => proto::EvictPolicy::Unspecified,
        EvictPolicy::Lru => proto::EvictPolicy::Lru,
        EvictPolicy::Lfu => proto::EvictPolicy::Lfu,
        EvictPolicy::Ttl => proto::EvictPolicy::Ttl,
        EvictPolicy::Fifo => proto::EvictPolicy::Fifo,
        EvictPolicy::Arc => proto::EvictPolicy::Arc,
        EvictPolicy::Random => proto::EvictPolicy::Random,
    });
    let tier = match domain.tier {
        Tier::Strong => proto::Tier::Strong,
        Tier::Eventual => proto::Tier::Eventual,
    };
    proto::Domain {
        name: domain.name.clone(),
        tier: tier.into(),
        volatile: domain.volatile,
        id: domain.id.0,
        built_in: domain.is_built_in(),
        bytes: domain.bytes,
        settings: Some(shown),
    }
}

fn level(level: DefaultLevel) -> proto::DomainLevel {
    let (level, max_staleness_ms) = match level {
        DefaultLevel::Strong => (proto::Level::Strong, 0),
        DefaultLevel::BoundedStale { max_staleness_ms } => (proto::Level::BoundedStale, max_staleness_ms),
        DefaultLevel::Local => (proto::Level::Local, 0),
    };
    proto::DomainLevel {
        level: level.into(),
        max_staleness_ms,
    }
}
