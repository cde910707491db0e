//! How a memory is made.

use std::sync::Arc;
use std::time::Duration;

use super::cache;
use super::conflict::{ConflictEntry, ConflictResolver, Resolution, resolvers};
use super::events::{Events, MemoryEvent};
use super::handle::{Memory, Settings, Shared};
use super::metrics::{Counters, count};
use super::table::{Table, check_name};
use crate::builder::within;
use crate::client::Client;
use crate::consistency::{Consistency, whole_ms};
use crate::error::{Error, Result};
use crate::eventual::{BatchObserver, Flushed, Strategy};

const DAY_MS: u64 = 86_400_000;
/// What people may expect of a worker that has died: it is noticed when so many heartbeats are missing.
const HEARTBEATS_OF_A_SESSION: u32 = 3;
/// The shortest interval whose session is not shorter than a session may be.
const HEARTBEAT_MS_MIN: u64 = 200;

/// Where the client comes from.
#[derive(Clone)]
enum Source {
    Endpoints(Vec<String>),
    Client(Client),
}

/// Settings of a [`Memory`]. A worker id, and endpoints or a client, must be given.
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect` is awaited"]
pub struct MemoryBuilder {
    source: Source,
    worker_id: String,
    prefix: String,
    default_ttl: Duration,
    cache_size: u64,
    batch_interval: Duration,
    heartbeat_interval: Duration,
    level: Consistency,
    resolver: ConflictResolver,
}

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self {
            source: Source::Endpoints(Vec::new()),
            worker_id: String::new(),
            prefix: "task-sentinel/".to_owned(),
            default_ttl: Duration::from_secs(3_600),
            cache_size: 1_000,
            batch_interval: Duration::from_millis(100),
            heartbeat_interval: Duration::from_secs(5),
            level: Consistency::BoundedStale(Duration::from_millis(100)),
            resolver: Arc::new(resolvers::last_write_wins),
        }
    }
}

impl MemoryBuilder {
    /// Addresses of members, `host:port`, 1 to 64. The memory makes a client of its own, and closes it when it is shut down.
    pub fn endpoints<A: Into<String>>(mut self, endpoints: impl IntoIterator<Item = A>) -> Self {
        self.source = Source::Endpoints(endpoints.into_iter().map(Into::into).collect());
        self
    }

    /// A client to share, in place of endpoints. It stays open when the memory is shut down, and it has the cache that it was
    /// made with: [`cache_size`](Self::cache_size) has no effect.
    pub fn client(mut self, client: Client) -> Self {
        self.source = Source::Client(client);
        self
    }

    /// Who this is: 1 to 256 bytes without a slash or an asterisk. Required.
    pub fn worker_id(mut self, worker_id: impl Into<String>) -> Self {
        self.worker_id = worker_id.into();
        self
    }

    /// What every key starts with that the memory makes; empty, or ending with a slash, at most 512 bytes. Default:
    /// `task-sentinel/`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long values live that say nothing else; zero: for ever. Default: an hour.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.default_ttl = ttl;
        self
    }

    /// Records that the cache may hold, 1 to 126,976. Default: 1,000.
    pub fn cache_size(mut self, records: u64) -> Self {
        self.cache_size = records;
        self
    }

    /// How long progress, heartbeats and metrics wait for others to go with them, 1 ms to a minute. Default: 100 ms.
    pub fn batch_interval(mut self, interval: Duration) -> Self {
        self.batch_interval = interval;
        self
    }

    /// How often a registered worker says that it lives, 200 ms to an hour. A worker from which nothing comes for three times
    /// as long is dead. Default: 5 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// What makes one value of what agents wrote at the same time: one of [`resolvers`], or a function
    /// of your own. Default: [`resolvers::last_write_wins`].
    pub fn conflict_resolver(
        mut self,
        resolver: impl Fn(&[ConflictEntry]) -> Resolution + Send + Sync + 'static,
    ) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// What reads of the strong tier promise that say nothing else. Default: [`Consistency::BoundedStale`] of 100 ms, which
    /// never misses what this memory itself has written.
    pub fn level(mut self, level: Consistency) -> Self {
        self.level = level;
        self
    }

    /// Makes the memory, and sees to it that one of the endpoints can be reached.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) or [`TooLarge`](crate::ErrorKind::TooLarge) for a setting out
    /// of its range; [`ConnectionLost`](crate::ErrorKind::ConnectionLost) when no endpoint can be reached.
    pub async fn connect(self) -> Result<Memory> {
        check_name("worker_id", &self.worker_id)?;
        let table = Table::new(self.prefix)?;
        within("cache_size", self.cache_size, 1, cache::ENTRIES_MAX)?;
        let heartbeat_ms = whole_ms(self.heartbeat_interval);
        within("heartbeat_interval", heartbeat_ms, HEARTBEAT_MS_MIN, DAY_MS / 24)?;
        if self.level == Consistency::Eventual {
            let message = "level: it is for reads of the strong tier; the table says which keys are eventual";
            return Err(Error::invalid("level", message));
        }
        let (client, own_client) = match self.source {
            Source::Client(client) => (client, false),
            Source::Endpoints(endpoints) => {
                let name = self.worker_id.clone();
                let builder = cache::with_cache(Client::builder().endpoints(endpoints), self.cache_size);
                (builder.name(shortened(name)).connect().await?, true)
            }
        };
        let (events, counters) = (Arc::<Events>::default(), Arc::<Counters>::default());
        let batch = client
            .eventual()
            .batch()
            .interval(self.batch_interval)
            .strategy(Strategy::LastWrite)
            .observed_by(observer(&events, &counters))
            .open()?;
        let settings = Settings {
            worker_id: self.worker_id,
            default_ttl: self.default_ttl,
            level: self.level,
            heartbeat_interval: self.heartbeat_interval,
            session_ttl: self.heartbeat_interval * HEARTBEATS_OF_A_SESSION,
        };
        let shared = Shared::new(
            client,
            own_client,
            settings,
            table,
            batch,
            self.resolver,
            events,
            counters,
        );
        Ok(Memory::new(shared))
    }
}

/// The name of a client has at most 128 bytes.
fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(128));
    name
}

fn observer(events: &Arc<Events>, counters: &Arc<Counters>) -> BatchObserver {
    let (events, counters) = (Arc::clone(events), Arc::clone(counters));
    Arc::new(move |flushed: &Flushed| {
        count(&counters.syncs, 1);
        count(
            &counters.failed_writes,
            flushed.failed.len() as u64 + flushed.failed_left_out,
        );
        events.tell(|| MemoryEvent::BatchFlushed {
            written: flushed.written,
            failed: Arc::new(flushed.failed.clone()),
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_guide() {
        let builder = MemoryBuilder::default();
        assert_eq!(builder.prefix, "task-sentinel/");
        assert_eq!(builder.default_ttl, Duration::from_secs(3_600));
        assert_eq!(builder.cache_size, 1_000);
        assert_eq!(builder.batch_interval, Duration::from_millis(100));
        assert_eq!(builder.heartbeat_interval, Duration::from_millis(5_000));
        assert_eq!(builder.level, Consistency::BoundedStale(Duration::from_millis(100)));
        let entries = [ConflictEntry::default()];
        assert_eq!((builder.resolver)(&entries).strategy, "last_write_wins");
    }
}
