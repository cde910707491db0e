//! Compare-and-swap: the transaction that most programs need.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::core::Core;
use crate::error::Result;
use crate::record::Record;
use crate::txn::{Compare, Op, Txn};

/// A write on the condition that the key was not written since it was read.
#[must_use = "a call is made when it is awaited"]
pub struct CompareAndSwap<'a> {
    core: &'a Core,
    key: Bytes,
    expected_mod_revision: u64,
    value: Bytes,
    domain: String,
    ttl: Duration,
    timeout: Option<Duration>,
}

/// The answer of a [`CompareAndSwap`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CasReply {
    /// The value was written.
    pub swapped: bool,
    /// The revision of the store after it: the key's new `mod_revision` if it was written.
    pub revision: u64,
    /// When it was not written: what the key holds instead, `None` if it does not exist. `None` when it was written.
    pub current: Option<Record>,
}

impl<'a> CompareAndSwap<'a> {
    pub(crate) fn new(core: &'a Core, key: Bytes, expected_mod_revision: u64, value: Bytes) -> Self {
        let (domain, ttl) = (String::new(), Duration::ZERO);
        Self {
            core,
            key,
            expected_mod_revision,
            value,
            domain,
            ttl,
            timeout: None,
        }
    }

    /// The domain of the key. Default: `default`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// How long the key lives, in log time, rounded up to milliseconds. Default, and for zero: for ever.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long the call may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(self) -> Result<CasReply> {
        let unchanged = Compare::mod_revision(&self.key).equals(self.expected_mod_revision);
        let mut txn = Txn::new(self.core)
            .when(unchanged.domain(self.domain.clone()))
            .then(Op::put(&self.key, self.value).domain(self.domain.clone()).ttl(self.ttl))
            .otherwise(Op::get(self.key).domain(self.domain));
        if let Some(timeout) = self.timeout {
            txn = txn.timeout(timeout);
        }
        let reply = txn.await?;
        let current = if reply.succeeded {
            None
        } else {
            reply.results.first().and_then(|result| result.record()).cloned()
        };
        Ok(CasReply {
            swapped: reply.succeeded,
            revision: reply.revision,
            current,
        })
    }
}

impl<'a> IntoFuture for CompareAndSwap<'a> {
    type Output = Result<CasReply>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
