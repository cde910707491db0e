//! Making one value of those that stand beside each other.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::handle::Eventual;
use super::value::{EventualEntry, Strategy};
use super::write::EventualPut;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// How often it is tried while others write the key at the same time.
const ROUNDS_MAX: u32 = 8;

/// A read of a register, and a write of what its values become. The write replaces what was read and nothing else: a value
/// that is written meanwhile stays beside it, and both are handed to `merge` again, at most 8 times in all.
#[must_use = "a call is made when it is awaited"]
pub struct ResolveWith<'a> {
    eventual: Eventual,
    key: Bytes,
    merge: Box<dyn FnMut(&EventualEntry) -> Bytes + Send + 'a>,
    ttl: Duration,
    timeout: Option<Duration>,
}

/// What a register holds after [`ResolveWith`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualResolved {
    /// The one value; absent when the key does not exist.
    pub resolved: Option<Bytes>,
    /// The strategy of the register, if this client knows it.
    pub strategy: Option<Strategy>,
    /// Values that were replaced and are not the one that is there now, over all rounds.
    pub discarded: u32,
    /// How often `merge` was asked; 0 if there was nothing to resolve.
    pub rounds: u32,
}

impl<'a> ResolveWith<'a> {
    pub(super) fn new(eventual: &Eventual, key: Bytes, merge: impl FnMut(&EventualEntry) -> Bytes + Send + 'a) -> Self {
        Self {
            eventual: eventual.clone(),
            key,
            merge: Box::new(merge),
            ttl: Duration::ZERO,
            timeout: None,
        }
    }

    /// How long the key lives after it. Default, and for zero: as the domain says.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long each of its calls may take, from 1 ms to a day. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn send(mut self) -> Result<EventualResolved> {
        let mut resolved = EventualResolved::default();
        loop {
            let mut get = self.eventual.get(&self.key);
            if let Some(timeout) = self.timeout {
                get = get.timeout(timeout);
            }
            let Some(entry) = get.await?.entry else {
                resolved.resolved = None;
                return Ok(resolved);
            };
            resolved.strategy = entry.strategy;
            if entry.siblings.len() < 2 {
                resolved.resolved = Some(entry.value);
                return Ok(resolved);
            }
            if resolved.rounds == ROUNDS_MAX {
                return Err(contended(&self.key));
            }
            resolved.rounds += 1;
            let value = (self.merge)(&entry);
            let replaced = entry.siblings.iter().filter(|sibling| sibling.value != value).count();
            resolved.discarded += u32::try_from(replaced).unwrap_or(u32::MAX);
            if self.write(&entry, value.clone()).await?.siblings < 2 {
                resolved.resolved = Some(value);
                return Ok(resolved);
            }
        }
    }

    /// A write of the value in the place of what was read.
    fn write(&self, entry: &EventualEntry, value: Bytes) -> EventualPut {
        let mut put = self
            .eventual
            .put(&self.key, value)
            .context(&entry.context)
            .ttl(self.ttl);
        if let Some(strategy) = entry.strategy {
            put = put.strategy(strategy);
        }
        match self.timeout {
            Some(timeout) => put.timeout(timeout),
            None => put,
        }
    }
}

impl<'a> IntoFuture for ResolveWith<'a> {
    type Output = Result<EventualResolved>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Each round was written, and none lost anything: others wrote faster.
fn contended(key: &[u8]) -> Error {
    let key = key.escape_ascii();
    let message = format!("{key} was written by others in each of {ROUNDS_MAX} rounds: its values are not one yet");
    Error::new(ErrorKind::Conflict, Outcome::Unknown, message)
}
