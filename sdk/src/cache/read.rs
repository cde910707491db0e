//! Reads of single keys through the cache.

use std::time::Duration;

use super::entry::Cached;
use super::handle::{UNBOUNDED, bound_nanos};
use super::key::KeyRef;
use super::shared::Shared;
use crate::consistency::{Consistency, Source};
use crate::eventual::Told;
use crate::kv::GetReply;

/// The bound that a read of this level sets, in nanoseconds; none: no cache answers it.
pub(crate) fn cached_bound(consistency: Consistency) -> Option<u64> {
    match consistency {
        Consistency::BoundedStale(staleness_max) => Some(bound_nanos(staleness_max)),
        Consistency::Local => Some(UNBOUNDED),
        Consistency::Strong | Consistency::Eventual => None,
    }
}

impl Shared {
    /// The answer of the cache to a read of this level, if it has one.
    pub(crate) fn answer(&self, domain: &str, key: &[u8], consistency: Consistency) -> Option<GetReply> {
        let bound = cached_bound(consistency)?;
        let cached = self.look_up(KeyRef::new(domain, key), bound).ok()?;
        // The epoch that the client has seen is that of the cache, or there was no answer.
        let epoch = self.seen.point_at_once().map_or(0, |(epoch, _)| epoch);
        Some(reply(&cached, consistency, epoch))
    }
}

fn reply(cached: &Cached, level: Consistency, epoch: u64) -> GetReply {
    GetReply {
        record: cached.record().cloned(),
        revision: cached.revision(),
        staleness: cached.staleness(),
        member: cached.member(),
        source: Source::Cache,
        level,
        told: Told::Strong {
            epoch,
            revision: cached.revision(),
        },
    }
}

/// What a reply of a member says about its level: the one that was asked for, or that of the domain, of which the bound is
/// not told: what the answer keeps to is.
pub(crate) fn level_served(
    asked: Option<Consistency>,
    told: quorate_proto::v1::Level,
    staleness: Duration,
) -> Consistency {
    use quorate_proto::v1::Level;
    match (asked, told) {
        (Some(asked), _) => asked,
        (None, Level::BoundedStale) => Consistency::BoundedStale(staleness),
        (None, Level::Local) => Consistency::Local,
        (None, Level::Eventual) => Consistency::Eventual,
        (None, Level::Strong | Level::Unspecified) => Consistency::Strong,
    }
}
