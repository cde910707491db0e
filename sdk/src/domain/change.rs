//! Changes domains.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;

use super::handle::domain_of;
use super::record::{Domain, Evict, EvictPolicy, level};
use crate::consistency::{Consistency, whole_ms};
use crate::core::Core;
use crate::error::Result;
use crate::eventual::Strategy;

/// A change of a domain's settings: what is not set stays. Name, tier and whether it is volatile never change. It fails
/// with [`UnknownDomain`](crate::ErrorKind::UnknownDomain) if there is no such domain, and with
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the settings do not go together, or not with its tier.
#[must_use = "a call is made when it is awaited"]
pub struct ChangeDomain<'a> {
    core: &'a Core,
    name: String,
    change: v1::DomainChange,
    timeout: Option<Duration>,
}

impl<'a> ChangeDomain<'a> {
    pub(super) fn new(core: &'a Core, name: String) -> Self {
        Self {
            core,
            name,
            change: v1::DomainChange::default(),
            timeout: None,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut v1::DomainChange)) -> Self {
        change(&mut self.change);
        self
    }

    /// What its keys, values and tags may take together, in bytes; 0: no limit. It may be less than they take: nothing is
    /// lost, and the domain can only shrink.
    pub fn bytes_max(self, bytes: u64) -> Self {
        self.set(|change| change.bytes_max = Some(bytes))
    }

    /// How many entries it may hold; 0: no limit. Eventual tier only.
    pub fn entries_max(self, entries: u64) -> Self {
        self.set(|change| change.entries_max = Some(entries))
    }

    /// How concurrent values become one where the write does not say it. Eventual tier only.
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.set(|change| change.set_strategy(strategy.to_wire()))
    }

    /// Life of a key that is written from now on without a TTL and without a lease, rounded up to milliseconds; zero: for
    /// ever.
    pub fn ttl_default(self, ttl: Duration) -> Self {
        self.set(|change| change.ttl_ms_default = Some(whole_ms(ttl)))
    }

    /// Whether a write that would stay for ever is refused.
    pub fn ttl_required(self, required: bool) -> Self {
        self.set(|change| change.ttl_required = Some(required))
    }

    /// What happens when it is full. Eventual tier only. The policy stays as it is; where there is none, it is
    /// [`EvictPolicy::Lru`].
    pub fn evict(self, evict: Evict) -> Self {
        self.set(|change| change.set_evict(evict.to_wire()))
    }

    /// What goes first. Eventual tier only, and only where something is evicted.
    pub fn policy(self, policy: EvictPolicy) -> Self {
        self.set(|change| change.set_policy(policy.to_wire()))
    }

    /// What reads promise that do not say it themselves. Strong tier only.
    pub fn consistency(self, consistency: Consistency) -> Self {
        self.set(|change| change.level = Some(level(consistency)))
    }

    /// Whether writes wait for caches with strong coherence, see [`CreateDomain::coherent`](super::CreateDomain::coherent).
    /// Strong tier only. Where it ends, so do the caches.
    pub fn coherent(self, coherent: bool) -> Self {
        self.set(|change| change.coherent = Some(coherent))
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(self) -> Result<Domain> {
        let request = Request::DomainChange(v1::DomainChangeRequest {
            name: self.name,
            change: Some(self.change),
            stamp: None,
        });
        domain_of(self.core, request, self.timeout).await
    }
}

impl<'a> IntoFuture for ChangeDomain<'a> {
    type Output = Result<Domain>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
