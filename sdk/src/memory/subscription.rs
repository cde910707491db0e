//! Following keys that match a pattern, by callbacks.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::cache::{Invalidation, Invalidations};
use super::conflict::panic_message;
use super::events::{Events, MemoryEvent};
use super::handle::{Memory, Shared};
use super::table::pattern_of;
use super::value::decode;
use crate::client::Client;
use crate::domain::Tier;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::eventual::{EventualType, EventualUpdate, EventualUpdateKind, EventualWatch, EventualWatchItem};
use crate::record::Keys;
use crate::watch::{KeyEvent, KeyEventKind, Watch, WatchItem};

/// Subscriptions of one memory: each has a stream of its own.
const SUBSCRIPTIONS_MAX: u64 = 256;

/// Before a read that failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Names a subscription of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryChangeKind {
    /// It was written.
    Put,
    /// It was deleted, or went with a session.
    Delete,
    /// Its time was over.
    Expire,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryChange {
    /// The key.
    pub key: String,
    /// The tier that it is in. In the strong one every change is told, in order; in the eventual one the newest value is.
    pub tier: Tier,
    /// What became of it.
    pub kind: MemoryChangeKind,
    /// What it holds now, as JSON; absent if it is gone.
    pub value: Option<Bytes>,
    /// The revision of the change; 0 in the eventual tier.
    pub revision: u64,
    /// Values that stand beside each other, of which this is the newest; 0: there is one.
    pub siblings: u32,
}

impl MemoryChange {
    /// What it holds now; none if it is gone.
    ///
    /// # Errors
    ///
    /// [`Json`](ErrorKind::Json) if it is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let value = self.value.as_ref();
        value.map(|json| decode(&self.key, json)).transpose()
    }

    fn of_strong(event: &KeyEvent) -> Self {
        Self {
            key: String::from_utf8_lossy(event.key()).into_owned(),
            tier: Tier::Strong,
            kind: match event.kind {
                KeyEventKind::Put => MemoryChangeKind::Put,
                KeyEventKind::Delete => MemoryChangeKind::Delete,
                KeyEventKind::Expire => MemoryChangeKind::Expire,
            },
            value: event.current().map(|record| record.value.clone()),
            revision: event.record.mod_revision,
            siblings: 0,
        }
    }

    fn of_eventual(update: EventualUpdate) -> Self {
        let kind = match update.kind {
            EventualUpdateKind::Put => MemoryChangeKind::Put,
            EventualUpdateKind::Delete => MemoryChangeKind::Delete,
            EventualUpdateKind::Expire => MemoryChangeKind::Expire,
        };
        Self {
            key: String::from_utf8_lossy(&update.key).into_owned(),
            tier: Tier::Eventual,
            kind,
            value: (kind == MemoryChangeKind::Put).then_some(update.value),
            revision: 0,
            siblings: update.siblings,
        }
    }
}

type OnChange = Box<dyn FnMut(&MemoryChange) + Send>;
type OnInvalidate = Box<dyn FnMut(&str) + Send>;

/// A subscription to be made. Awaiting it returns its name as soon as members serve it: whatever is written from then on is
/// told.
///
/// # Errors
///
/// [`LimitReached`](ErrorKind::LimitReached) for more than 256; [`Closed`](ErrorKind::Closed), and what opening a watch may
/// return.
#[must_use = "a subscription is made when it is awaited"]
pub struct Subscribe<'a> {
    memory: &'a Memory,
    pattern: String,
    on_change: Option<OnChange>,
    on_invalidate: Option<OnInvalidate>,
}

impl Memory {
    /// Calls back for every change of keys that match a pattern, in both tiers. `*` stands for anything within a path segment,
    /// `**` across segments; a `/*` at the end means everything below. Await the builder.
    ///
    /// Callbacks of one subscription are called one after the other, by a task of the runtime: one that takes long holds up
    /// those behind it, and must not block. One that panics is told by
    /// [`MemoryEvent::CallbackPanicked`], and is called again for the next change.
    ///
    /// ```no_run
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// let states = memory
    ///     .subscribe("task-sentinel/tasks/*/state")
    ///     .on_change(|change| println!("{}: {:?}", change.key, change.value))
    ///     .await?;
    /// memory.unsubscribe(states);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, pattern: impl AsRef<str>) -> Subscribe<'_> {
        Subscribe {
            memory: self,
            pattern: pattern_of(pattern.as_ref()),
            on_change: None,
            on_invalidate: None,
        }
    }

    /// Ends a subscription; false if there is none of this name. A callback that runs at this moment finishes.
    pub fn unsubscribe(&self, subscription: SubscriptionId) -> bool {
        self.shared.subscriptions.end(subscription)
    }
}

impl Subscribe<'_> {
    /// Called for each change.
    pub fn on_change(mut self, callback: impl FnMut(&MemoryChange) + Send + 'static) -> Self {
        self.on_change = Some(Box::new(callback));
        self
    }

    /// Called with each key that matches and that the cache held and dropped or replaced, because somebody changed it or asked
    /// for that; never if the client has no cache. Of a callback that is more than 1,024 keys behind, the oldest are left out,
    /// and [`MemoryEvent::InvalidationsMissed`] tells how many.
    pub fn on_invalidate(mut self, callback: impl FnMut(&str) + Send + 'static) -> Self {
        self.on_invalidate = Some(Box::new(callback));
        self
    }

    async fn open(self) -> Result<SubscriptionId> {
        let shared = &self.memory.shared;
        let _pass = shared.gate.enter_to_read()?;
        shared.subscriptions.check(&mut shared.subscriptions.running.lock())?;
        let client = &shared.client;
        let keys = Keys::pattern(&self.pattern);
        let eventual = client.eventual();
        let strong = client.watch(keys.clone()).into_future();
        let invalidations = Invalidations::new(client, keys.clone(), self.on_invalidate.is_some());
        let (strong, eventual) = futures::try_join!(strong, eventual.watch(keys).into_future())?;
        let id = shared.subscriptions.new_id();
        let follower = Follower {
            id,
            client: client.clone(),
            events: Arc::clone(&shared.events),
            on_change: self.on_change,
            on_invalidate: self.on_invalidate,
        };
        shared
            .subscriptions
            .start(id, follower.run(strong, eventual, invalidations), shared)
    }
}

impl<'a> IntoFuture for Subscribe<'a> {
    type Output = Result<SubscriptionId>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// The task of one subscription.
struct Follower {
    id: SubscriptionId,
    client: Client,
    events: Arc<Events>,
    on_change: Option<OnChange>,
    on_invalidate: Option<OnInvalidate>,
}

impl Follower {
    async fn run(mut self, mut strong: Watch, mut eventual: EventualWatch, mut dropped: Invalidations) {
        loop {
            let followed = tokio::select! {
                item = strong.next() => item.map(|item| item.map(|item| self.told(&item))),
                item = eventual.next() => match item {
                    Some(Ok(EventualWatchItem::Changed(update))) => Some(self.changed(update).await),
                    // Everything that is there comes again; it is told as it comes.
                    Some(Ok(_)) => Some(Ok(())),
                    Some(Err(error)) => Some(Err(error)),
                    None => None,
                },
                invalidation = dropped.next() => {
                    self.invalidated(invalidation);
                    Some(Ok(()))
                }
            };
            let over = match followed {
                Some(Ok(())) => continue,
                Some(Err(error)) => error,
                None => Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, "the watch is over"),
            };
            self.events.tell(|| MemoryEvent::SubscriptionEnded {
                subscription: self.id,
                error: over,
            });
            return;
        }
    }

    fn told(&mut self, item: &WatchItem) {
        if let WatchItem::Events(batch) = item {
            for event in batch.events.iter().filter_map(|event| event.as_key()) {
                self.call(&MemoryChange::of_strong(event));
            }
        }
    }

    async fn changed(&mut self, update: EventualUpdate) -> Result<()> {
        let is_map = update.entry_type == EventualType::Map && update.kind == EventualUpdateKind::Put;
        let mut change = MemoryChange::of_eventual(update);
        if is_map {
            // A watch tells that it changed; what it holds is read.
            change.value = Some(read_map(&self.client, &change.key).await?);
        }
        self.call(&change);
        Ok(())
    }

    /// What the callback does wrong stays with it.
    fn call(&mut self, change: &MemoryChange) {
        let Some(callback) = &mut self.on_change else { return };
        let called = catch_unwind(AssertUnwindSafe(|| callback(change)));
        self.tell_of_panic(called, &change.key);
    }

    fn invalidated(&mut self, invalidation: Invalidation) {
        let Some(callback) = &mut self.on_invalidate else {
            return;
        };
        match invalidation {
            Invalidation::Key(key) => {
                let called = catch_unwind(AssertUnwindSafe(|| callback(&key)));
                self.tell_of_panic(called, &key);
            }
            Invalidation::Missed(missed) => self.events.tell(|| MemoryEvent::InvalidationsMissed {
                subscription: self.id,
                missed,
            }),
        }
    }

    fn tell_of_panic(&self, called: std::thread::Result<()>, key: &str) {
        let Err(panic) = called else { return };
        let message = panic_message(panic.as_ref());
        self.events.tell(|| MemoryEvent::CallbackPanicked {
            subscription: self.id,
            key: key.to_owned(),
            message,
        });
    }
}

/// The fields of a map as a JSON object; one that others wrote and that is no JSON is told as text.
async fn read_map(client: &Client, key: &str) -> Result<Bytes> {
    let map = client.eventual().map(key);
    let fields = loop {
        match map.fields().await {
            Ok(fields) => break fields,
            Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    };
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let object = fields.iter().map(|(name, value)| {
        let told = serde_json::from_slice(value).unwrap_or_else(|_| Value::String(text(value)));
        (text(name), told)
    });
    Ok(Bytes::from(Value::Object(object.collect()).to_string()))
}

/// The subscriptions of a memory.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    next: AtomicU64,
    running: Mutex<BTreeMap<SubscriptionId, AbortHandle>>,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.alive(&mut self.running.lock())
    }

    /// One that has ended by itself does not count.
    fn alive(&self, running: &mut BTreeMap<SubscriptionId, AbortHandle>) -> usize {
        running.retain(|_, task| !task.is_finished());
        running.len()
    }

    fn check(&self, running: &mut BTreeMap<SubscriptionId, AbortHandle>) -> Result<()> {
        let value = self.alive(running) as u64 + 1;
        if value <= SUBSCRIPTIONS_MAX {
            return Ok(());
        }
        let limit = SUBSCRIPTIONS_MAX;
        let message = format!("a memory has at most {limit} subscriptions");
        let kind = ErrorKind::LimitReached { limit, value };
        Err(Error::new(kind, Outcome::NotAMutation, message))
    }

    fn new_id(&self) -> SubscriptionId {
        SubscriptionId(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn start(
        &self,
        id: SubscriptionId,
        follow: impl Future<Output = ()> + Send + 'static,
        shared: &Shared,
    ) -> Result<SubscriptionId> {
        let mut running = self.running.lock();
        // A shutdown that ended all of them a moment ago must not miss this one.
        if shared.gate.is_closed() {
            let message = "the memory was shut down";
            return Err(Error::new(ErrorKind::Closed, Outcome::NotAMutation, message));
        }
        // Others may have been made since it was asked for.
        self.check(&mut running)?;
        running.insert(id, tokio::spawn(follow).abort_handle());
        Ok(id)
    }

    fn end(&self, id: SubscriptionId) -> bool {
        let ended = self.running.lock().remove(&id);
        ended.is_some_and(|task| {
            let ran = !task.is_finished();
            task.abort();
            ran
        })
    }

    pub(super) fn end_all(&self) {
        for (_, task) in std::mem::take(&mut *self.running.lock()) {
            task.abort();
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.end_all();
    }
}
