//! Writing and deleting single keys.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::events::MemoryEvent;
use super::handle::{Memory, Shared};
use super::metrics::count;
use super::table::Place;
use super::value::encode;
use crate::consistency::Consistency;
use crate::domain::Tier;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::Strategy;
use crate::record::Keys;
use crate::txn::{Compare, Op};

/// A write of one key.
#[must_use = "a call is made when it is awaited"]
pub struct MemoryWrite<'a> {
    shared: &'a Shared,
    /// The key and its JSON, or why there is none.
    asked: Result<(String, Bytes)>,
    ttl: Option<Duration>,
    tags: Vec<String>,
    level: Option<Consistency>,
    expected_revision: Option<u64>,
    fences: Vec<Op>,
    with: Vec<Op>,
}

/// What became of a [`MemoryWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryWritten {
    /// The tier of the key.
    pub tier: Tier,
    /// The revision of the write, for [`MemoryWrite::expected_revision`]; 0 in the eventual tier, which has none.
    pub revision: u64,
}

impl Memory {
    /// Writes a value as JSON. Await the builder; see [`MemoryWrite`].
    ///
    /// In the eventual tier: progress and heartbeats go through the batch; what an agent tells replaces what this memory has
    /// seen of it, and stands beside what it has not; metrics must be an object, of which each field is written; a counter is
    /// refused, see [`sync_metrics`](Self::sync_metrics).
    pub fn write<T: Serialize + ?Sized>(&self, key: impl Into<String>, value: &T) -> MemoryWrite<'_> {
        self.write_to(Ok(key.into()), value)
    }

    pub(super) fn write_to<T: Serialize + ?Sized>(&self, key: Result<String>, value: &T) -> MemoryWrite<'_> {
        let asked = key.and_then(|key| {
            let json = encode(&key, value)?;
            Ok((key, json.into()))
        });
        MemoryWrite {
            shared: &self.shared,
            asked,
            ttl: None,
            tags: Vec::new(),
            level: None,
            expected_revision: None,
            fences: Vec::new(),
            with: Vec::new(),
        }
    }

    /// Deletes a key. Returns whether it was there. Metrics go with all their counters.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed), and what any call may return.
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        count(&shared.counters.writes, 1);
        shared.delete(key.as_ref()).await
    }
}

impl MemoryWrite<'_> {
    /// How long the value lives; zero: for ever. Default: that of the memory.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Tags, at most 16 of at most 128 bytes. Strong tier only. Default: none.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// The tier, where a program wants to say it: any other than that of the key is
    /// [`TierMismatch`](ErrorKind::TierMismatch). Default: that of the key.
    pub fn consistency(mut self, level: Consistency) -> Self {
        self.level = Some(level);
        self
    }

    /// Writes only if the key was last written at this revision, 0: if it does not exist; otherwise it is
    /// [`Conflict`](ErrorKind::Conflict). Strong tier only. Default: whatever is there.
    pub fn expected_revision(mut self, revision: u64) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Writes only while this holds: a [`TaskLock`](crate::TaskLock), or the fence of a lock or an assignment; otherwise it is
    /// [`Fenced`](ErrorKind::Fenced). Several may be given. Strong tier only. Default: none.
    pub fn fence(mut self, fence: impl Into<Op>) -> Self {
        self.fences.push(fence.into());
        self
    }

    /// Does this as well, at the same revision: the assignment of a task, say, or the acknowledgement of an item. All of it is
    /// done, or none: an operation that is refused refuses the write, with its own error. What it answers is not returned. At
    /// most 127, fences included. Strong tier only. Default: nothing.
    ///
    /// ```no_run
    /// use quorate::WorkerOp;
    ///
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// let to_worker = WorkerOp::assign("task-123").to("worker-1");
    /// memory.sync_task_state("task-123", "assigned").with(to_worker).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(mut self, operation: impl Into<Op>) -> Self {
        self.with.push(operation.into());
        self
    }

    async fn send(self) -> Result<MemoryWritten> {
        let shared = self.shared;
        let _pass = shared.gate.enter()?;
        let (key, json) = self.asked.clone()?;
        let place = shared.table.place(&key);
        check_level(&key, place.tier(), self.level)?;
        let revision = match place {
            Place::Record => Some(self.write_record(&key, json.clone()).await?),
            place => {
                self.refuse_options(&key)?;
                let ttl = self.ttl.unwrap_or(shared.settings.default_ttl);
                shared.write_eventual(place, &key, &json, ttl).await?;
                None
            }
        };
        shared.wrote(key, place.tier(), revision, json);
        Ok(MemoryWritten {
            tier: place.tier(),
            revision: revision.unwrap_or_default(),
        })
    }

    async fn write_record(&self, key: &str, json: Bytes) -> Result<u64> {
        let client = &self.shared.client;
        let ttl = self.ttl.unwrap_or(self.shared.settings.default_ttl);
        let alone = self.fences.is_empty() && self.with.is_empty();
        if self.expected_revision.is_none() && alone {
            let put = client.put(key, json).ttl(ttl).tags(&self.tags);
            return Ok(put.await?.revision);
        }
        let mut txn = client.txn();
        if let Some(expected) = self.expected_revision {
            txn = txn.when(Compare::mod_revision(key).equals(expected));
        }
        for operation in self.fences.iter().chain(&self.with) {
            txn = txn.then(operation.clone());
        }
        let put = Op::put(key, json).ttl(ttl).tags(&self.tags);
        let reply = txn.then(put).otherwise(Op::get(key).keys_only()).await?;
        if reply.succeeded {
            return Ok(reply.revision);
        }
        let current = reply.results.first().and_then(|result| result.record());
        let found = current.map_or(0, |record| record.mod_revision);
        let expected = self.expected_revision.unwrap_or_default();
        let message = format!("{key} was last written at revision {found}, not at {expected} (0: it does not exist)");
        Err(Error::new(ErrorKind::Conflict, Outcome::NotApplied, message))
    }

    fn refuse_options(&self, key: &str) -> Result<()> {
        let set = [
            ("tags", !self.tags.is_empty()),
            ("expected_revision", self.expected_revision.is_some()),
            ("fence", !self.fences.is_empty()),
            ("with", !self.with.is_empty()),
        ];
        match set.into_iter().find(|(_, set)| *set) {
            Some((option, _)) => {
                let message = format!("{option}: {key} is in the eventual tier, which has no such option");
                Err(Error::new(ErrorKind::TierMismatch, Outcome::NotApplied, message))
            }
            None => Ok(()),
        }
    }
}

impl<'a> IntoFuture for MemoryWrite<'a> {
    type Output = Result<MemoryWritten>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Shared {
    /// Counts a write and tells of it.
    pub(super) fn wrote(&self, key: String, tier: Tier, revision: Option<u64>, value: Bytes) {
        count(&self.counters.writes, 1);
        self.events.tell(|| MemoryEvent::Write {
            key,
            tier,
            revision,
            value,
        });
    }

    async fn write_eventual(&self, place: Place, key: &str, json: &Bytes, ttl: Duration) -> Result<()> {
        let eventual = self.client.eventual();
        match place {
            // Of two that wait together the later one is sent.
            Place::LastWrite => {
                let put = eventual.put(key, json).strategy(Strategy::LastWrite).ttl(ttl);
                self.batch.push(put).await
            }
            Place::Agent => self.write_agent(key, json, ttl).await,
            Place::Metrics => self.write_metrics(&as_object(key, json)?, ttl).await,
            Place::Counter => {
                let message = format!("{key} is a counter: add to it with `sync_metrics(..).add(..)`");
                Err(Error::invalid("key", message))
            }
            // Written above.
            Place::Record => Ok(()),
        }
    }

    async fn delete(&self, key: &str) -> Result<bool> {
        let eventual = self.client.eventual();
        let place = self.table.place(key);
        if matches!(place, Place::LastWrite | Place::Metrics | Place::Counter) && self.batch.pending() > 0 {
            // Or what waits would come after it.
            self.flush().await;
        }
        let written = match place {
            Place::Record => return Ok(self.client.delete(Keys::key(key)).await?.deleted > 0),
            Place::LastWrite | Place::Agent => eventual.delete(key).await?,
            Place::Counter => eventual.counter(key).delete().await?,
            Place::Metrics => {
                let counters = self.metric_counters().await?;
                for counter in &counters {
                    eventual.counter(&counter.key).delete().await?;
                }
                let written = eventual.map(key).delete().await?;
                return Ok(!written.superseded || !counters.is_empty());
            }
        };
        Ok(!written.superseded)
    }
}

/// A level that is asked for must be one of the key's tier.
fn check_level(key: &str, tier: Tier, level: Option<Consistency>) -> Result<()> {
    match (tier, level) {
        (_, None) | (Tier::Strong, Some(Consistency::Strong)) | (Tier::Eventual, Some(Consistency::Eventual)) => Ok(()),
        (Tier::Strong, Some(Consistency::Eventual)) | (Tier::Eventual, Some(Consistency::Strong)) => {
            Err(tier_mismatch(key, tier).with_outcome(Outcome::NotApplied))
        }
        (_, Some(_)) => {
            let message = "a write is strong or eventual: how old an answer may be is a matter of reads";
            Err(Error::invalid("consistency", message))
        }
    }
}

/// The level that was asked for is one of the other tier.
pub(super) fn tier_mismatch(key: &str, tier: Tier) -> Error {
    let (tier, levels) = match tier {
        Tier::Strong => ("strong", "Strong, BoundedStale and Local"),
        Tier::Eventual => ("eventual", "Eventual only"),
    };
    let message = format!("{key} is in the {tier} tier, whose levels are {levels}");
    Error::new(ErrorKind::TierMismatch, Outcome::NotAMutation, message)
}

fn as_object(key: &str, json: &[u8]) -> Result<serde_json::Map<String, Value>> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Error::invalid(
            "value",
            format!("{key} takes an object: each of its fields is a metric"),
        )),
    }
}
