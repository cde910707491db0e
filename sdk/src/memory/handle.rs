//! The handle: what a program keeps and clones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::builder::MemoryBuilder;
use super::cache;
use super::conflict::{ConflictEntry, ConflictResolver, Resolution, resolve};
use super::contexts::Contexts;
use super::events::{Events, MemoryEvents};
use super::gate::Gate;
use super::locks::TaskLocks;
use super::metrics::{Counters, MemoryClock, MemoryMetrics, count};
use super::registration::Registration;
use super::subscription::Subscriptions;
use super::table::Table;
use crate::client::Client;
use crate::consistency::Consistency;
use crate::domain::Tier;
use crate::error::Result;
use crate::eventual::{EventualBatch, Flushed};
use crate::queue::Queue;

/// The memory that the workers of a fleet share. Cloning it is cheap, and all clones are the same memory.
///
/// Keys of [`read`](Self::read), [`write`](Self::write), [`delete`](Self::delete),
/// [`search_keys`](Self::search_keys) and [`subscribe`](Self::subscribe) are whole keys, with the prefix; see
/// [`key`](Self::key). Values are JSON.
///
/// Which key is in which tier is fixed: progress, what agents tell, heartbeats and metrics are eventual, everything else is
/// strong; see [`tier_of`](Self::tier_of). Calls for one key that ask for a level of the other tier end with
/// [`TierMismatch`](crate::ErrorKind::TierMismatch).
///
/// Writes of the strong tier return when they are acknowledged; many at once share messages. Progress, heartbeats and
/// metrics go through a batch: their calls return when the batch has taken them, and [`force_sync`](Self::force_sync) when
/// they are acknowledged.
///
/// After [`shutdown`](Self::shutdown) every call ends with [`Closed`](crate::ErrorKind::Closed). When the last clone is
/// dropped without it, the same is done in the background, as far as the runtime lives.
///
/// ```no_run
/// use std::time::Duration;
/// use quorate::Memory;
///
/// # async fn example() -> quorate::Result<()> {
/// let memory = Memory::builder().endpoints(["127.0.0.1:7401"]).worker_id("worker-1").connect().await?;
/// if let Some(lock) = memory.acquire_task_lock("task-123", Duration::from_secs(30)).await? {
///     memory.sync_task_state("task-123", "processing").fence(&lock).await?;
///     memory.sync_task_progress("task-123", 50, "half of it").await?;
///     memory.release_task_lock("task-123").await?;
/// }
/// memory.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Memory {
    pub(super) shared: Arc<Shared>,
}

/// What was set.
pub(super) struct Settings {
    pub(super) worker_id: String,
    pub(super) default_ttl: Duration,
    pub(super) level: Consistency,
    pub(super) heartbeat_interval: Duration,
    pub(super) session_ttl: Duration,
}

/// What all clones share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) own_client: bool,
    pub(super) settings: Settings,
    pub(super) table: Table,
    pub(super) batch: EventualBatch,
    pub(super) resolver: ConflictResolver,
    pub(super) events: Arc<Events>,
    pub(super) counters: Arc<Counters>,
    pub(super) gate: Gate,
    pub(super) locks: TaskLocks,
    pub(super) registration: Registration,
    pub(super) contexts: Contexts,
    pub(super) subscriptions: Subscriptions,
    /// What became of writes that were sent for a reason of the memory's own, and were not asked for yet.
    pub(super) flushed: Mutex<Flushed>,
    /// Held by those who are about to add to it, and by whoever wants to know that nobody is.
    pub(super) flushing: tokio::sync::RwLock<()>,
    /// What became of its end, once that was begun.
    pub(super) ended: Mutex<Option<watch::Receiver<Option<Result<()>>>>>,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "made in one place")]
    pub(super) fn new(
        client: Client,
        own_client: bool,
        settings: Settings,
        table: Table,
        batch: EventualBatch,
        resolver: ConflictResolver,
        events: Arc<Events>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            client,
            own_client,
            settings,
            table,
            batch,
            resolver,
            events,
            counters,
            gate: Gate::default(),
            locks: TaskLocks::default(),
            registration: Registration::default(),
            contexts: Contexts::default(),
            subscriptions: Subscriptions::default(),
            flushed: Mutex::default(),
            flushing: tokio::sync::RwLock::default(),
            ended: Mutex::default(),
        }
    }

    /// Sends what the batch holds. What becomes of it is kept for the next who asks.
    pub(super) async fn flush(&self) {
        let _flushing = self.flushing.read().await;
        let flushed = self.batch.flush().await;
        self.flushed.lock().take_over(flushed);
    }

    /// Makes one value of several, if no function of somebody else's prevents it.
    pub(super) fn resolve(&self, entries: Vec<ConflictEntry>) -> Result<Resolution> {
        let resolution = resolve(&self.resolver, entries)?;
        count(&self.counters.conflicts, 1);
        Ok(resolution)
    }
}

impl Memory {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Settings for a new memory.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    /// The client behind it, for whatever this does not do.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Who this is.
    pub fn worker_id(&self) -> &str {
        &self.shared.settings.worker_id
    }

    /// A whole key: the prefix, and what comes behind it.
    pub fn key(&self, rest: impl AsRef<str>) -> String {
        self.shared.table.key(rest.as_ref())
    }

    /// The tier of a key. Behind the prefix `tasks/{task}/progress`, `tasks/{task}/agents/{agent}`,
    /// `workers/{worker}/heartbeat`, `coordination/metrics` and `coordination/metrics/{name}` are eventual; all others are
    /// strong.
    pub fn tier_of(&self, key: &str) -> Tier {
        self.shared.table.place(key).tier()
    }

    /// The queue of the fleet, `coordination/queue` behind the prefix, to push to and to claim from.
    pub fn queue(&self) -> Queue {
        self.shared.client.queue(self.shared.table.queue())
    }

    /// What happens from now on.
    pub fn events(&self) -> MemoryEvents {
        self.shared.events.listen()
    }

    /// Makes one value of several by the conflict resolver of this memory. Nothing is read or written.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if there are no entries, or if the resolver panicked;
    /// [`Closed`](crate::ErrorKind::Closed).
    pub fn resolve_conflict(&self, entries: impl IntoIterator<Item = ConflictEntry>) -> Result<Resolution> {
        let _pass = self.shared.gate.enter_to_read()?;
        self.shared.resolve(entries.into_iter().collect())
    }

    /// What this memory has done, and what it holds. Those of the whole fleet are
    /// [`get_shared_metrics`](Self::get_shared_metrics).
    pub fn get_metrics(&self) -> MemoryMetrics {
        let shared = &self.shared;
        let mut metrics = shared.counters.read();
        let token = shared.client.causal_token();
        metrics.clock = MemoryClock {
            revision: token.revision(),
            marks: token.marks() as u64,
        };
        metrics.cache = cache::metrics(&shared.client);
        metrics.pending_writes = (shared.batch.pending() + shared.gate.inside()) as u64;
        metrics.subscriptions = shared.subscriptions.len() as u64;
        metrics.locks.held = shared.locks.held() as u64;
        metrics
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("worker_id", &self.worker_id())
            .field("prefix", &self.key(""))
            .field("client", &self.shared.client)
            .finish_non_exhaustive()
    }
}
