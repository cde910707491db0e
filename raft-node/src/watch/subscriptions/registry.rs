//! Whose the changes are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_eventual::{ShardNumber, Unseen};
use slab::Slab;

use super::pending::Changed;
use super::subscription::Subscription;
use crate::eventual::Tier;
use crate::types::{DomainId, Space};
use crate::watch::index::Index;
use crate::watch::spec::WatchSpec;

/// After some changes were handed on, so long is waited for more: under load they are handed on together.
const GATHER: Duration = Duration::from_millis(2);
/// Every shard is looked at this often: values that end tell nobody.
const LOOK_AT_ALL: Duration = Duration::from_millis(100);

/// The subscriptions of a member.
pub struct Subscriptions {
    pub(super) tier: Arc<Tier>,
    state: Mutex<State>,
    member_bytes: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    subscriptions: Slab<Arc<Subscription>>,
    index: Index,
    /// How many subscriptions there are to domains that are durable, and that are volatile.
    durable: usize,
    volatile: usize,
}

/// A place among the subscriptions; dropping it ends the subscription.
pub(in crate::watch) struct Subscribed {
    subscriptions: Arc<Subscriptions>,
    place: usize,
}

impl Subscriptions {
    /// Hands changes on from now on, on the runtime of the caller.
    pub fn start(tier: Arc<Tier>) -> Arc<Self> {
        let subscriptions = Self::new(tier);
        tokio::spawn(Arc::clone(&subscriptions).run());
        subscriptions
    }

    pub(super) fn new(tier: Arc<Tier>) -> Arc<Self> {
        Arc::new(Self {
            tier,
            state: Mutex::default(),
            member_bytes: Arc::default(),
        })
    }

    pub(in crate::watch) fn tier(&self) -> Arc<Tier> {
        Arc::clone(&self.tier)
    }

    /// Bytes of keys that are pending for all subscriptions.
    pub fn pending_bytes(&self) -> usize {
        self.member_bytes.load(Ordering::Relaxed)
    }

    /// From now on, what changes is noted for the subscription.
    pub(in crate::watch) fn add(self: &Arc<Self>, spec: &Arc<WatchSpec>) -> (Arc<Subscription>, Subscribed) {
        let subscription = Arc::new(Subscription::new(Arc::clone(spec), Arc::clone(&self.member_bytes)));
        let mut state = self.state.lock();
        let place = state.subscriptions.insert(Arc::clone(&subscription));
        for (space, selector) in &spec.selectors {
            state.index.insert(*space, selector, place);
        }
        let (durable, volatile) = spec.durability();
        if durable {
            state.durable += 1;
        }
        if volatile {
            state.volatile += 1;
        }
        let first = (durable && state.durable == 1, volatile && state.volatile == 1);
        self.watch_shards(first, true);
        self.tier.changes.set_watched(true);
        drop(state);
        let subscriptions = Arc::clone(self);
        (subscription, Subscribed { subscriptions, place })
    }

    fn remove(&self, place: usize) {
        let mut state = self.state.lock();
        let Some(subscription) = state.subscriptions.try_remove(place) else {
            return;
        };
        subscription.close();
        for (space, selector) in &subscription.spec.selectors {
            state.index.remove(*space, selector, place);
        }
        let (durable, volatile) = subscription.spec.durability();
        if durable {
            state.durable -= 1;
        }
        if volatile {
            state.volatile -= 1;
        }
        let last = (durable && state.durable == 0, volatile && state.volatile == 0);
        self.watch_shards(last, false);
        self.tier.changes.set_watched(!state.subscriptions.is_empty());
    }

    /// Called with the lock, so that who comes and who goes do not undo each other's.
    fn watch_shards(&self, (durable, volatile): (bool, bool), watched: bool) {
        let shards = ShardNumber::all().filter(|shard| if shard.is_volatile() { volatile } else { durable });
        for shard in shards {
            self.tier.store.lock(shard).watch(watched);
        }
    }

    async fn run(self: Arc<Self>) {
        let mut look_at_all = tokio::time::Instant::now() + LOOK_AT_ALL;
        loop {
            // While nobody watches nobody is told.
            let changed = tokio::time::timeout_at(look_at_all, self.tier.changes.happened()).await;
            let shards = if changed.is_ok() && tokio::time::Instant::now() < look_at_all {
                self.tier.changes.take()
            } else {
                look_at_all = tokio::time::Instant::now() + LOOK_AT_ALL;
                self.tier.changes.take();
                self.watched_shards()
            };
            for shard in shards {
                self.hand_on(shard);
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    fn watched_shards(&self) -> Vec<ShardNumber> {
        let (durable, volatile) = {
            let state = self.state.lock();
            (state.durable > 0, state.volatile > 0)
        };
        let watched = |shard: &ShardNumber| if shard.is_volatile() { volatile } else { durable };
        ShardNumber::all().filter(watched).collect()
    }

    /// Notes what changed in a shard for those who want it.
    pub(super) fn hand_on(&self, shard: ShardNumber) {
        let Unseen { keys, more } = self.tier.store.lock(shard).take_unseen();
        if keys.is_empty() && !more {
            return;
        }
        let mut state = self.state.lock();
        let State {
            subscriptions, index, ..
        } = &mut *state;
        if more {
            for (_, subscription) in &*subscriptions {
                let (durable, volatile) = subscription.spec.durability();
                if (shard.is_volatile() && volatile) || (!shard.is_volatile() && durable) {
                    subscription.missed();
                }
            }
        }
        let mut found = Vec::new();
        for unseen in keys {
            let address = unseen.key.address();
            found.clear();
            index.find(Space::Keys(DomainId(address.domain)), address.name, &mut found);
            if found.is_empty() {
                continue;
            }
            let changed = Changed {
                shard,
                key: unseen.key.collection().into(),
                ended: unseen.ended,
            };
            for place in &found {
                if let Some(subscription) = subscriptions.get(*place) {
                    subscription.note(&changed);
                }
            }
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.subscriptions.remove(self.place);
    }
}
