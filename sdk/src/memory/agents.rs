//! What the agents of a task tell each other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::conflict::{ConflictEntry, Resolution};
use super::events::MemoryEvent;
use super::handle::{Memory, Shared};
use super::metrics::count;
use super::read::MemoryRead;
use super::tasks::wall_ms;
use super::value::{decode, encode};
use super::write::MemoryWrite;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::{EventualEntry, Strategy};
use crate::record::Keys;

/// How often values in conflict are made one while others write at the same time.
const ROUNDS_MAX: u32 = 8;
/// Agents of one task that are read at once.
const AGENTS_MAX: usize = 10_000;

impl Memory {
    /// Writes what an agent tells of a task, at `tasks/{task}/agents/{agent}`. It replaces what this memory has written or
    /// read of it before; what somebody else wrote meanwhile stands beside it, until the next read makes one value of both.
    /// Await the builder, which takes the options of the eventual tier.
    pub fn sync_agent_coordination<T: Serialize + ?Sized>(&self, task: &str, agent: &str, data: &T) -> MemoryWrite<'_> {
        self.write_to(self.shared.table.agent(task, agent), data)
    }

    /// What an agent tells of a task. Values that were written at the same time are made one by the conflict resolver, and
    /// that is written in their place. Await the builder, which ends with
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the resolver panics, and with [`Conflict`](ErrorKind::Conflict) if
    /// others write faster than it can resolve, eight times.
    pub fn get_agent_coordination<T: DeserializeOwned>(&self, task: &str, agent: &str) -> MemoryRead<'_, T> {
        self.read_from(self.shared.table.agent(task, agent))
    }

    /// What all agents of a task tell, by agent; as [`get_agent_coordination`](Self::get_agent_coordination), at most 10,000.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if there are more; [`Json`](ErrorKind::Json) if one is of another type;
    /// [`Closed`](ErrorKind::Closed), and what any read may return.
    pub async fn get_task_agents<T: DeserializeOwned>(&self, task: &str) -> Result<BTreeMap<String, T>> {
        let shared = &self.shared;
        let _pass = shared.gate.enter_to_read()?;
        let prefix = shared.table.agents(task);
        let prefix = prefix.map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        let scan = shared.client.eventual().scan(Keys::prefix(&prefix));
        let mut agents = BTreeMap::new();
        for entry in scan.all(AGENTS_MAX).await? {
            count(&shared.counters.reads, 1);
            let key = String::from_utf8_lossy(&entry.key).into_owned();
            let json = if entry.siblings.len() < 2 {
                shared.contexts.set(&key, entry.context);
                Some(entry.value)
            } else {
                shared.read_agent(&key).await?.map(|(json, _)| json)
            };
            if let Some(json) = json {
                let agent = key.strip_prefix(&prefix).unwrap_or(&key).to_owned();
                agents.insert(agent, decode(&key, &json)?);
            }
        }
        Ok(agents)
    }
}

/// What is made of several values lives as long as the last of them; zero: for ever.
fn time_left(entry: &EventualEntry) -> Duration {
    let left = |end: u64| Duration::from_millis(end.saturating_sub(wall_ms()).max(1));
    entry.expires_at_ms.map_or(Duration::ZERO, left)
}

impl Shared {
    pub(super) async fn write_agent(&self, key: &str, json: &Bytes, ttl: Duration) -> Result<()> {
        match self.put_agent(key, json, ttl).await {
            // What stands there is made one, which this write then replaces.
            Err(error) if matches!(error.kind(), ErrorKind::TooManySiblings { .. }) => {
                self.read_agent(key).await?;
                self.put_agent(key, json, ttl).await
            }
            other => other,
        }
    }

    async fn put_agent(&self, key: &str, json: &Bytes, ttl: Duration) -> Result<()> {
        let put = self.client.eventual().put(key, json).strategy(Strategy::Siblings);
        let mut put = put.ttl(ttl);
        if let Some(seen) = self.contexts.get(key) {
            put = put.context(&seen);
        }
        let written = put.await?;
        self.contexts.set(key, written.context);
        Ok(())
    }

    /// The one value of a key that many write, and how old it may be.
    pub(super) async fn read_agent(&self, key: &str) -> Result<Option<(Bytes, Option<Duration>)>> {
        let eventual = self.client.eventual();
        for _ in 0..ROUNDS_MAX {
            let reply = eventual.get(key).await?;
            let Some(entry) = reply.entry else { return Ok(None) };
            if entry.siblings.len() < 2 {
                self.contexts.set(key, entry.context);
                return Ok(Some((entry.value, reply.age)));
            }
            let resolution = self.resolve_siblings(key, &entry)?;
            let json = Bytes::from(encode(key, &resolution.resolved)?);
            let put = eventual.put(key, &json).strategy(Strategy::Siblings);
            let written = put.context(&entry.context).ttl(time_left(&entry)).await?;
            let entries = entry.siblings.len();
            self.events.tell(|| MemoryEvent::ConflictResolved {
                key: key.to_owned(),
                resolution,
                entries,
            });
            if written.siblings < 2 {
                self.contexts.set(key, written.context);
                return Ok(Some((json, reply.age)));
            }
        }
        let message = format!("{key} was written by others in each of {ROUNDS_MAX} rounds: its values are not one yet");
        Err(Error::new(ErrorKind::Conflict, Outcome::NotAMutation, message))
    }

    fn resolve_siblings(&self, key: &str, entry: &EventualEntry) -> Result<Resolution> {
        let entries = entry.siblings.iter().map(|sibling| {
            let value = decode::<Value>(key, &sibling.value)?;
            Ok(ConflictEntry::new(&value)?.written_at(sibling.written_at_ms))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        self.resolve(entries).map_err(|error| error.with_context(key))
    }
}
