//! The metrics that the whole fleet shares.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::handle::{Memory, Shared};
use super::metrics::count;
use super::value::{decode, encode};
use crate::domain::Tier;
use crate::error::{Error, Outcome, Result};
use crate::eventual::{EventualEntry, EventualType};
use crate::record::Keys;

/// Counters that are read at once.
const COUNTERS_MAX: usize = 10_000;

/// Metrics to be written.
#[must_use = "a call is made when it is awaited"]
pub struct SyncMetrics<'a> {
    shared: &'a Shared,
    fields: Result<Map<String, Value>>,
    additions: Vec<(String, i64)>,
}

/// The metrics that the fleet shares.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SharedMetrics {
    /// What was written last of each.
    pub fields: BTreeMap<String, Value>,
    /// What was counted.
    pub counters: BTreeMap<String, i64>,
}

impl SharedMetrics {
    /// All of it as a value of a program's own: an object of the fields, and of the counters that no field is called like.
    ///
    /// # Errors
    ///
    /// [`Json`](crate::ErrorKind::Json) if it is of another type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        let counters = self
            .counters
            .iter()
            .map(|(name, sum)| (name.clone(), Value::from(*sum)));
        let mut all: Map<String, Value> = counters.collect();
        all.extend(self.fields.clone());
        decode("the metrics", Value::Object(all).to_string().as_bytes())
    }
}

impl Memory {
    /// Writes metrics for the whole fleet to see, at `coordination/metrics` in the eventual tier: `metrics` is an object, and
    /// of each of its fields the last write stays. What many count together is added: [`SyncMetrics::add`]. It goes through
    /// the batch. Await the builder.
    ///
    /// ```no_run
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// #[derive(serde::Serialize)]
    /// struct Load { queue_depth: u64, average_ms: f64 }
    /// memory.sync_metrics(&Load { queue_depth: 7, average_ms: 45.2 }).add("completed", 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_metrics<T: Serialize + ?Sized>(&self, metrics: &T) -> SyncMetrics<'_> {
        let fields = match serde_json::to_value(metrics) {
            Ok(Value::Object(fields)) => Ok(fields),
            // Nothing but additions.
            Ok(Value::Null) => Ok(Map::new()),
            Ok(_) => {
                let message = "metrics are an object: each of its fields is one of them";
                Err(Error::invalid("metrics", message))
            }
            Err(error) => {
                let message = format!("the metrics cannot be written as JSON: {error}");
                Err(Error::new(crate::ErrorKind::Json, Outcome::NotApplied, message))
            }
        };
        SyncMetrics {
            shared: &self.shared,
            fields,
            additions: Vec::new(),
        }
    }

    /// The metrics of the whole fleet, with what this memory has written.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::ErrorKind::Closed), and what any read may return.
    pub async fn get_shared_metrics(&self) -> Result<SharedMetrics> {
        let shared = &self.shared;
        let _pass = shared.gate.enter_to_read()?;
        count(&shared.counters.reads, 1);
        if shared.batch.pending() > 0 {
            shared.flush().await;
        }
        let key = shared.table.metrics();
        let fields = object_of(&key, &shared.client.eventual().map(&key).fields().await?)?;
        let prefix = format!("{key}/");
        let counters = shared.metric_counters().await?.into_iter().map(|entry| {
            let key = String::from_utf8_lossy(&entry.key).into_owned();
            (key.strip_prefix(&prefix).unwrap_or(&key).to_owned(), entry.counter)
        });
        Ok(SharedMetrics {
            fields: fields.into_iter().collect(),
            counters: counters.collect(),
        })
    }
}

impl SyncMetrics<'_> {
    /// Adds to a counter, at `coordination/metrics/{name}`; the number may be negative. What several workers add counts
    /// together.
    pub fn add(mut self, name: impl Into<String>, number: i64) -> Self {
        self.additions.push((name.into(), number));
        self
    }

    async fn send(self) -> Result<()> {
        let shared = self.shared;
        let _pass = shared.gate.enter()?;
        let fields = self.fields?;
        let counters = self
            .additions
            .iter()
            .map(|(name, number)| Ok((shared.table.metric(name)?, *number)));
        // A name that is none is refused before anything is taken.
        let counters = counters.collect::<Result<Vec<_>>>()?;
        if !fields.is_empty() {
            shared.write_metrics(&fields, shared.settings.default_ttl).await?;
            let json = Bytes::from(Value::Object(fields).to_string());
            shared.wrote(shared.table.metrics(), Tier::Eventual, None, json);
        }
        for (key, number) in counters {
            let add = shared.client.eventual().counter(&key).add(number);
            shared.batch.push(add).await?;
            shared.wrote(key, Tier::Eventual, None, Bytes::from(number.to_string()));
        }
        Ok(())
    }
}

impl<'a> IntoFuture for SyncMetrics<'a> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Shared {
    pub(super) async fn write_metrics(&self, fields: &Map<String, Value>, ttl: Duration) -> Result<()> {
        let metrics = self.client.eventual().map(self.table.metrics());
        for (name, value) in fields {
            let value = encode(name, value)?;
            self.batch.push(metrics.put(name, value).ttl(ttl)).await?;
        }
        Ok(())
    }

    pub(super) async fn metric_counters(&self) -> Result<Vec<EventualEntry>> {
        let prefix = format!("{}/", self.table.metrics());
        let scan = self
            .client
            .eventual()
            .scan(Keys::prefix(prefix))
            .of(EventualType::Counter);
        scan.all(COUNTERS_MAX).await
    }
}

/// The fields of a map as a JSON object.
pub(super) fn object_of(key: &str, fields: &[(Bytes, Bytes)]) -> Result<Map<String, Value>> {
    let fields = fields.iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(name).into_owned();
        let value = decode(&format!("{key}, field {name}"), value)?;
        Ok((name, value))
    });
    fields.collect()
}
