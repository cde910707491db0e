//! Makes domains.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;

use super::handle::domain_of;
use super::record::{Domain, Evict, EvictPolicy, Tier, level};
use crate::consistency::{Consistency, whole_ms};
use crate::core::Core;
use crate::error::Result;
use crate::eventual::Strategy;

/// A domain that is to be made. It fails with [`DomainExists`](crate::ErrorKind::DomainExists) if there is one of this
/// name, with [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if its name or a setting is wrong or not of its tier,
/// and with [`LimitReached`](crate::ErrorKind::LimitReached) if there are as many as there may be.
#[must_use = "a call is made when it is awaited"]
pub struct CreateDomain<'a> {
    core: &'a Core,
    request: v1::DomainCreateRequest,
    settings: v1::DomainSettings,
    timeout: Option<Duration>,
}

impl<'a> CreateDomain<'a> {
    pub(super) fn new(core: &'a Core, name: String, tier: Tier) -> Self {
        Self {
            core,
            request: v1::DomainCreateRequest {
                name,
                tier: tier.to_wire().into(),
                ..Default::default()
            },
            settings: v1::DomainSettings::default(),
            timeout: None,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut v1::DomainSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// It is never on disk, for ever: what it holds is gone when every member has stopped. Eventual tier only. Default: it
    /// is on disk.
    pub fn volatile(mut self) -> Self {
        self.request.volatile = true;
        self
    }

    /// What its keys, values and tags may take together, in bytes. Default: 0, no limit.
    pub fn bytes_max(self, bytes: u64) -> Self {
        self.set(|settings| settings.bytes_max = bytes)
    }

    /// How many entries it may hold. Eventual tier only. Default: 0, no limit.
    pub fn entries_max(self, entries: u64) -> Self {
        self.set(|settings| settings.entries_max = entries)
    }

    /// How concurrent values become one where the write does not say it. Eventual tier only. Default:
    /// [`Strategy::LastWrite`].
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.set(|settings| settings.set_strategy(strategy.to_wire()))
    }

    /// Life of a key that is written without a TTL and without a lease, rounded up to milliseconds. Default: for ever,
    /// which zero stands for too.
    pub fn ttl_default(self, ttl: Duration) -> Self {
        self.set(|settings| settings.ttl_ms_default = whole_ms(ttl))
    }

    /// A write that would stay for ever is refused. Default: it is not.
    pub fn ttl_required(self) -> Self {
        self.set(|settings| settings.ttl_required = true)
    }

    /// What happens when it is full, and what goes first. Eventual tier only. Default: [`Evict::None`].
    pub fn evict(self, evict: Evict, policy: EvictPolicy) -> Self {
        self.set(|settings| {
            settings.set_evict(evict.to_wire());
            if evict != Evict::None {
                settings.set_policy(policy.to_wire());
            }
        })
    }

    /// What reads promise that do not say it themselves. Strong tier only. Default: [`Consistency::Strong`].
    pub fn consistency(self, consistency: Consistency) -> Self {
        self.set(|settings| settings.level = Some(level(consistency)))
    }

    /// Whether a write is answered only when no cache with strong coherence can answer with what was there before it: each
    /// that has the key has said that it dropped it, or its lease is over (`cache.lease_ms` of the members). Strong tier
    /// only. Default: it is not.
    pub fn coherent(self, coherent: bool) -> Self {
        self.set(|settings| settings.coherent = coherent)
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(mut self) -> Result<Domain> {
        self.request.settings = Some(self.settings);
        domain_of(self.core, Request::DomainCreate(self.request), self.timeout).await
    }
}

impl<'a> IntoFuture for CreateDomain<'a> {
    type Output = Result<Domain>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
