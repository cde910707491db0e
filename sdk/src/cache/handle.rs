//! The cache as a program sees it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::dropped::DroppedStream;
use super::entry::Cached;
use super::follow::follow;
use super::invalidate::Invalidate;
use super::key::KeyRef;
use super::selects::Stale;
use super::settings::{CacheSettings, Coherence};
use super::shared::Shared;
use super::stats::CacheStats;
use super::warm_up::WarmUp;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::instruments;
use crate::record::Keys;

/// The bound of a look-up that has none, in nanoseconds: larger than any that is given.
pub(super) const UNBOUNDED: u64 = u64::MAX - 1;

/// The read-through cache of a client, see [`Client::cache`](crate::Client::cache). Cloning it is cheap; it does not keep the
/// client.
///
/// Reads that may be answered from it are, by themselves: `client.get(key)` at
/// [`BoundedStale`](crate::Consistency::BoundedStale) or [`Local`](crate::Consistency::Local). What is here is for programs
/// that want to look without waiting, and for whoever runs them.
#[derive(Clone)]
pub struct Cache {
    pub(super) shared: Arc<Shared>,
    pub(super) core: Weak<Core>,
}

impl Cache {
    /// What is known of a key, no older than `staleness_max`, at once: no task is woken, no call is made and nothing is
    /// allocated, so that it costs well below a microsecond. None: it is not held, or it cannot be proved that it is as
    /// fresh; `client.get(key)` then asks a member, and brings it in. An empty `domain` is the default one.
    #[inline]
    pub fn get(&self, domain: &str, key: impl AsRef<[u8]>, staleness_max: Duration) -> Option<Cached> {
        let key = KeyRef::new(domain, key.as_ref());
        self.shared.look_up(key, bound_nanos(staleness_max)).ok()
    }

    /// The same without a bound, as at [`Consistency::Local`](crate::Consistency::Local): not older than what this client
    /// has seen.
    #[inline]
    pub fn get_local(&self, domain: &str, key: impl AsRef<[u8]>) -> Option<Cached> {
        let key = KeyRef::new(domain, key.as_ref());
        self.shared.look_up(key, UNBOUNDED).ok()
    }

    /// Drops records, so that they are read anew: of keys, or those that carry a [tag](Stale::tag). Await the builder; see
    /// [`Invalidate`].
    pub fn invalidate(&self, stale: impl Into<Stale>) -> Invalidate {
        Invalidate::new(self, stale.into())
    }

    /// Drops everything. Returns how many entries that were. Nobody else is concerned.
    pub fn clear(&self) -> u64 {
        self.shared.clear()
    }

    /// Reads keys into the cache before they are asked for. Await the builder; see [`WarmUp`].
    pub fn warm_up<K: Into<Keys>>(&self, keys: impl IntoIterator<Item = K>) -> WarmUp {
        WarmUp::new(self, keys.into_iter().map(Into::into).collect())
    }

    /// What is dropped or replaced from now on, and why.
    pub fn on_invalidate(&self) -> DroppedStream {
        DroppedStream::new(self.shared.dropped())
    }

    /// What it has done so far, and what it holds.
    pub fn stats(&self) -> CacheStats {
        self.shared.stats()
    }

    /// Whether a stream keeps entries of this coherence true at this moment. Always for relaxed ones.
    pub fn is_kept(&self, coherence: Coherence) -> bool {
        let lane = self.shared.lane(coherence);
        lane.is_none_or(|lane| lane.proof.is_kept())
    }

    /// Why no stream keeps it true, as the last attempt met it, or why the keys of a domain could not be held; none if
    /// nothing is wrong.
    pub fn trouble(&self) -> Option<Error> {
        let lanes = [Coherence::Eventual, Coherence::Strong].map(|coherence| self.shared.lane(coherence));
        lanes
            .into_iter()
            .flatten()
            .find_map(|lane| lane.writer.lock().trouble.clone())
    }

    pub(super) fn core(&self) -> Result<Arc<Core>> {
        self.core.upgrade().ok_or_else(|| {
            let message = "the client of this cache is gone";
            Error::new(ErrorKind::Closed, Outcome::NotAMutation, message)
        })
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[inline]
pub(super) fn bound_nanos(bound: Duration) -> u64 {
    let seconds = bound.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(bound.subsec_nanos().into()).min(UNBOUNDED)
}

/// The cache of a client, with the tasks that keep it true; it goes with the client.
pub(crate) struct Owned {
    pub(crate) cache: Cache,
    tasks: Vec<JoinHandle<()>>,
}

impl Owned {
    /// `idle`: how often it is asked how fresh it is while nobody looks.
    pub(crate) fn start(core: &Arc<Core>, settings: CacheSettings, idle: Duration) -> Self {
        let shared = Arc::new(Shared::new(settings, Arc::clone(&core.seen)));
        let followed = [Coherence::Eventual, Coherence::Strong];
        let used = followed
            .into_iter()
            .filter(|coherence| shared.settings.uses(*coherence));
        let followers =
            used.map(|coherence| tokio::spawn(follow(Arc::downgrade(core), Arc::clone(&shared), coherence, idle)));
        let publisher = tokio::spawn(instruments::publish_cache(Arc::downgrade(&shared)));
        let tasks = followers.chain(std::iter::once(publisher)).collect();
        let core = Arc::downgrade(core);
        Self {
            cache: Cache { shared, core },
            tasks,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.cache.shared
    }

    /// Answers nothing any more.
    pub(crate) fn close(&self) {
        self.cache.shared.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.close();
    }
}
