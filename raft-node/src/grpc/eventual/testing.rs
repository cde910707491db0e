//! A tier and a domain without a member around them.

use std::sync::Arc;

use quorate_eventual::{ActorId, Strategy};

use crate::environment::SystemClock;
use crate::eventual::{EventualOptions, Tier};
use crate::mvcc::{EventualDomain, Evict, EvictPolicy};
use crate::types::DomainId;

/// An empty tier of the process `id`.
pub(super) fn tier(id: u64) -> Arc<Tier> {
    Tier::new(ActorId(id), EventualOptions::default(), Arc::new(SystemClock))
}

/// A domain without limits.
pub(super) fn domain(strategy: Strategy) -> EventualDomain {
    EventualDomain {
        id: DomainId(9),
        name: "pages".into(),
        volatile: true,
        bytes_max: 0,
        entries_max: 0,
        strategy,
        ttl_ms_default: 0,
        ttl_required: false,
        evict: Evict::None,
        policy: EvictPolicy::None,
    }
}
