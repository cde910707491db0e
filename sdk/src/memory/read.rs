//! Reading single keys.

use std::marker::PhantomData;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::handle::{Memory, Shared};
use super::metrics::count;
use super::table::Place;
use super::value::{MemoryValue, decode};
use super::write::tier_mismatch;
use crate::consistency::{Consistency, Source};
use crate::domain::Tier;
use crate::error::{Outcome, Result};

/// A read of one key. Awaiting it yields the value; none if there is none, and [`Json`](crate::ErrorKind::Json), which names
/// the key, the type and the place, if it is of another type.
#[must_use = "a call is made when it is awaited"]
pub struct MemoryRead<'a, T> {
    shared: &'a Shared,
    key: Result<String>,
    level: Option<Consistency>,
    value: PhantomData<fn() -> T>,
}

impl Memory {
    /// Reads a value. Await the builder; see [`MemoryRead`].
    ///
    /// Metrics are read as an object of their fields, a counter as a number. What agents wrote at the same time is made one
    /// value; see [`get_agent_coordination`](Self::get_agent_coordination).
    pub fn read<T: DeserializeOwned>(&self, key: impl Into<String>) -> MemoryRead<'_, T> {
        self.read_from(Ok(key.into()))
    }

    pub(super) fn read_from<T: DeserializeOwned>(&self, key: Result<String>) -> MemoryRead<'_, T> {
        MemoryRead {
            shared: &self.shared,
            key,
            level: None,
            value: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> MemoryRead<'_, T> {
    /// What the read promises; a level of the other tier is [`TierMismatch`](crate::ErrorKind::TierMismatch). Default: in the
    /// strong tier that of the memory, in the eventual one [`Consistency::Eventual`].
    pub fn consistency(mut self, level: Consistency) -> Self {
        self.level = Some(level);
        self
    }

    async fn send(self) -> Result<Option<MemoryValue<T>>> {
        let shared = self.shared;
        let _pass = shared.gate.enter_to_read()?;
        let key = self.key.map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        count(&shared.counters.reads, 1);
        let found = match shared.table.place(&key) {
            Place::Record => shared.read_record(&key, self.level).await?,
            _ if self.level.is_some_and(|level| level != Consistency::Eventual) => {
                return Err(tier_mismatch(&key, Tier::Eventual));
            }
            place => shared.read_eventual(place, &key).await?,
        };
        found.map(|found| found.decoded(&key)).transpose()
    }
}

impl<'a, T: DeserializeOwned + 'a> IntoFuture for MemoryRead<'a, T> {
    type Output = Result<Option<MemoryValue<T>>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl MemoryValue<Vec<u8>> {
    fn of_eventual(json: Vec<u8>, staleness: Option<Duration>) -> Self {
        Self {
            value: json,
            tier: Tier::Eventual,
            revision: 0,
            staleness,
            source: Source::Replica,
            tags: Vec::new(),
        }
    }

    fn decoded<T: DeserializeOwned>(self, key: &str) -> Result<MemoryValue<T>> {
        Ok(MemoryValue {
            value: decode(key, &self.value)?,
            tier: self.tier,
            revision: self.revision,
            staleness: self.staleness,
            source: self.source,
            tags: self.tags,
        })
    }
}

impl Shared {
    async fn read_record(&self, key: &str, level: Option<Consistency>) -> Result<Option<MemoryValue<Vec<u8>>>> {
        let level = level.unwrap_or(self.settings.level);
        if level == Consistency::Eventual {
            return Err(tier_mismatch(key, Tier::Strong));
        }
        let reply = self.client.get(key).consistency(level).await?;
        Ok(reply.record.map(|record| MemoryValue {
            value: record.value.into(),
            tier: Tier::Strong,
            revision: record.mod_revision,
            staleness: Some(reply.staleness),
            source: reply.source,
            tags: record.tags,
        }))
    }

    async fn read_eventual(&self, place: Place, key: &str) -> Result<Option<MemoryValue<Vec<u8>>>> {
        let eventual = self.client.eventual();
        if place != Place::Agent && self.batch.pending() > 0 {
            // A program reads what it wrote, also what the batch still holds.
            self.flush().await;
        }
        Ok(match place {
            Place::Metrics => {
                let reply = eventual.map(key).read().await?;
                let age = reply.age;
                let fields = reply
                    .entry
                    .map(|entry| super::metrics_sync::object_of(key, &entry.fields));
                fields.transpose()?.map(|fields| {
                    let json = serde_json::Value::Object(fields).to_string().into_bytes();
                    MemoryValue::of_eventual(json, age)
                })
            }
            Place::Counter => {
                let reply = eventual.counter(key).read().await?;
                let age = reply.age;
                reply
                    .entry
                    .map(|entry| MemoryValue::of_eventual(entry.counter.to_string().into_bytes(), age))
            }
            Place::Agent => {
                let found = self.read_agent(key).await?;
                found.map(|(json, age)| MemoryValue::of_eventual(json.into(), age))
            }
            Place::LastWrite | Place::Record => {
                let reply = eventual.get(key).await?;
                let age = reply.age;
                reply
                    .entry
                    .map(|entry| MemoryValue::of_eventual(entry.value.into(), age))
            }
        })
    }
}
