//! The watches of a member: which are live, which are behind, and who gets a revision.

use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;

use super::caches::{Invalidations, KeySet};
use super::coherence::Coherence;
use super::index::Index;
use super::outbox::{Delivery, Outbox};
use super::ready::ReadyQueue;
use super::revision::{RevisionEvents, Subject};
use super::spec::{Shape, WatchSpec};
use super::subscriptions::Subscribed;
use super::wire::DomainNames;
use crate::storage::StorageError;
use crate::types::{Revision, Space};

/// Events of one revision, counted once for each watch that gets them, that are sent at once.
const DELIVERIES_MAX: usize = 1 << 20;

/// Names a watch of this member; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchKey {
    pub(super) place: usize,
    pub(super) number: u64,
}

#[cfg(test)]
impl WatchKey {
    /// One of a watch that is nowhere.
    pub(super) fn numbered(number: u64) -> Self {
        Self { place: 0, number }
    }
}

/// Whether a watch gets what the hub routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was asked for; where it starts is still being found out.
    Starting,
    /// It has everything up to what was routed, and is in the index.
    Live,
    /// It reads what it lacks from the store.
    Behind,
}

/// One watch.
pub(super) struct Watch {
    pub(super) number: u64,
    /// Its name on its stream.
    pub(super) id: u64,
    pub(super) spec: Arc<WatchSpec>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) slot: usize,
    pub(super) standing: Standing,
    /// Everything after this is sent.
    start: Revision,
    /// Nothing up to here is sent any more. A live watch has got what was routed, even where that is later; where this is
    /// later, the watch waits for its start.
    pub(super) position: Revision,
    /// Its outbox has refused what comes after the position; it says when there is room.
    refused: bool,
    /// Of a cache: its keys.
    pub(super) cache: Option<KeySet>,
    /// Of a watch of the eventual tier, once it has begun: it goes with the watch.
    subscribed: Option<Subscribed>,
}

/// All watches.
pub(super) struct Watches {
    pub(super) watches: Slab<Watch>,
    numbers: u64,
    /// How many get latest values.
    latest: usize,
    pub(super) selector_bytes: usize,
    /// How many are caches.
    pub(super) caches: usize,
    /// Caches that missed something and have to end.
    pub(super) lagging: Vec<WatchKey>,
    pub(super) index: Index,
    /// Live watches have everything up to here.
    pub(super) routed: Revision,
    names: Arc<DomainNames>,
    ready: Arc<ReadyQueue>,
    pub(super) coherence: Arc<Coherence>,
    invalidations: Arc<Mutex<Invalidations>>,
    /// Events that were given to watches, and to caches.
    pub(super) given: Given,
}

/// What was given out since the member began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Events, each counted for each watch that got it.
    pub(super) events: u64,
    /// Of those, events that caches got, and invalidations.
    pub(super) to_caches: u64,
}

/// Events that one watch gets: a run of numbers in [`Deliveries::numbers`].
struct Share {
    outbox: usize,
    shape: Shape,
    place: usize,
    from: usize,
    to: usize,
}

impl Watches {
    pub(super) fn new(
        routed: Revision,
        names: Arc<DomainNames>,
        ready: Arc<ReadyQueue>,
        coherence: Arc<Coherence>,
        invalidations: Arc<Mutex<Invalidations>>,
    ) -> Self {
        Self {
            watches: Slab::new(),
            numbers: 0,
            latest: 0,
            selector_bytes: 0,
            caches: 0,
            lagging: Vec::new(),
            index: Index::default(),
            routed,
            names,
            ready,
            coherence,
            invalidations,
            given: Given::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    /// Some of them are of the strong tier.
    pub(super) fn any_of_revisions(&self) -> bool {
        self.watches.len() > self.latest
    }

    /// Bytes of what the selectors of all watches name, and of the keys of caches.
    pub(super) fn selector_bytes(&self) -> usize {
        self.selector_bytes
    }

    /// Takes a watch in; none if its id is in use on its stream.
    pub(super) fn add(&mut self, spec: WatchSpec, outbox: &Arc<Outbox>, id: u64) -> Option<WatchKey> {
        let entry = self.watches.vacant_entry();
        let key = WatchKey {
            place: entry.key(),
            number: self.numbers,
        };
        let slot = outbox.add(id, key)?;
        self.numbers += 1;
        self.selector_bytes += spec.selector_bytes();
        self.latest += usize::from(spec.latest.is_some());
        self.caches += usize::from(spec.cache.is_some());
        if spec.is_coherent() {
            self.coherence.begin(key);
        }
        entry.insert(Watch {
            number: key.number,
            id,
            cache: spec.cache.map(|_| KeySet::default()),
            spec: Arc::new(spec),
            outbox: Arc::clone(outbox),
            slot,
            standing: Standing::Starting,
            start: Revision(0),
            position: Revision(0),
            refused: false,
            subscribed: None,
        });
        Some(key)
    }

    pub(super) fn get(&self, key: WatchKey) -> Option<&Watch> {
        self.watches.get(key.place).filter(|watch| watch.number == key.number)
    }

    fn get_mut(&mut self, key: WatchKey) -> Option<&mut Watch> {
        let found = self.watches.get_mut(key.place);
        found.filter(|watch| watch.number == key.number)
    }

    /// Forgets a watch.
    pub(super) fn remove(&mut self, key: WatchKey) -> Option<Watch> {
        self.get(key)?;
        self.set_standing(key.place, Standing::Behind);
        let watch = self.watches.remove(key.place);
        self.selector_bytes -= watch.spec.selector_bytes();
        self.latest -= usize::from(watch.spec.latest.is_some());
        if let Some(keys) = &watch.cache {
            self.caches -= 1;
            self.invalidations.lock().gone(key);
            self.selector_bytes -= keys.bytes();
            if watch.spec.is_coherent() {
                self.coherence.end(key);
            }
        }
        Some(watch)
    }

    /// The watch gets what comes after `position`.
    pub(super) fn begin(&mut self, key: WatchKey, position: Revision) {
        if let Some(watch) = self.get_mut(key) {
            watch.start = position;
            watch.position = position;
            self.resume(key);
        }
    }

    /// The watch gets latest values for as long as it is there.
    pub(super) fn subscribe(&mut self, key: WatchKey, subscribed: Subscribed) {
        if let Some(watch) = self.get_mut(key) {
            watch.subscribed = Some(subscribed);
        }
    }

    /// A watch that is not live becomes so if it lacks nothing; otherwise it is read for.
    pub(super) fn resume(&mut self, key: WatchKey) {
        let Some(watch) = self.get(key) else { return };
        if watch.position >= self.routed {
            self.set_standing(key.place, Standing::Live);
        } else {
            self.set_standing(key.place, Standing::Behind);
            self.ready.push(key);
        }
    }

    /// A watch that is behind is about to be read for; none if it is not behind any more.
    pub(super) fn begin_reading(&mut self, key: WatchKey) -> Option<&Watch> {
        let watch = self.get_mut(key).filter(|watch| watch.standing == Standing::Behind)?;
        watch.refused = false;
        Some(watch)
    }

    /// Everything up to `position` was read for the watch; unless its outbox was full, it goes on from there.
    pub(super) fn end_reading(&mut self, key: WatchKey, position: Revision) {
        let reading = |watch: &&mut Watch| watch.standing == Standing::Behind && !watch.refused;
        if let Some(watch) = self.get_mut(key).filter(reading) {
            watch.position = watch.position.max(position);
            self.resume(key);
        }
    }

    /// A cache is to get a linearizable mark; whether it may. Everybody else may.
    pub(super) fn prove(&self, key: WatchKey, watch: &Watch, reached: Revision) -> bool {
        !watch.spec.is_coherent() || self.coherence.prove(key, reached)
    }

    /// Up to where the watch has got everything; none before its start.
    pub(super) fn reached(&self, watch: &Watch) -> Option<Revision> {
        // A cache starts where the member is, even if the hub is not there yet: it has no keys before that.
        if watch.start > self.routed && watch.cache.is_none() {
            return None;
        }
        match watch.standing {
            Standing::Starting => None,
            // What was read for it from the store can be later than what was routed.
            Standing::Live => Some(self.routed.max(watch.position)),
            Standing::Behind => Some(watch.position),
        }
    }

    /// Sends the events of the next revision to the live watches that want them. Returns to how many. A revision that is
    /// too much for all at once is read by each from the store, a few watches at a time.
    pub(super) fn route(&mut self, revision: &RevisionEvents) -> Result<usize, StorageError> {
        let mut shares = Vec::new();
        let mut found = Vec::new();
        for (number, subject) in revision.subjects() {
            found.clear();
            self.index.find(subject.space, &subject.name, &mut found);
            for place in &found {
                let watch = self.watches.get(*place);
                if watch.is_some_and(|watch| watch.lacks(revision.revision()) && watch.spec.passes(subject.kind)) {
                    shares.push((*place, number));
                }
            }
            if shares.len() > DELIVERIES_MAX {
                self.gap(revision.revision());
                return Ok(DELIVERIES_MAX);
            }
        }
        let count = shares.len();
        self.deliver(revision, shares)?;
        self.routed = revision.revision();
        Ok(count)
    }

    /// Sends the events of a revision to watches that are behind. `wanted` says which; those that the filters of a watch
    /// hold back are left out.
    pub(super) fn catch_up(
        &mut self,
        revision: &RevisionEvents,
        mut wanted: impl FnMut(&Subject<'_>, &mut Vec<WatchKey>),
    ) -> Result<(), StorageError> {
        let mut shares = Vec::new();
        let mut found = Vec::new();
        for (number, subject) in revision.subjects() {
            found.clear();
            wanted(&subject, &mut found);
            for key in &found {
                let watch = self.get(*key);
                let wants = |watch: &Watch| {
                    watch.standing == Standing::Behind
                        && !watch.refused
                        && watch.lacks(revision.revision())
                        && watch.spec.passes(subject.kind)
                };
                if watch.is_some_and(wants) {
                    shares.push((key.place, number));
                }
            }
        }
        self.deliver(revision, shares)
    }

    /// `shares` are places of watches with the number of an event each.
    fn deliver(&mut self, revision: &RevisionEvents, mut pairs: Vec<(usize, u32)>) -> Result<(), StorageError> {
        if pairs.is_empty() {
            return Ok(());
        }
        pairs.sort_unstable();
        let numbers: Vec<u32> = pairs.iter().map(|(_, number)| *number).collect();
        let mut shares = self.shares(&pairs);
        // Watches that get the same events stand together, and among them those of one stream.
        let content = |share: &Share| (share.shape, &numbers[share.from..share.to]);
        shares.sort_unstable_by(|a, b| content(a).cmp(&content(b)).then(a.outbox.cmp(&b.outbox)));
        for alike in shares.chunk_by(|a, b| content(a) == content(b)) {
            let Some(first) = alike.first() else { continue };
            let events = numbers[first.from..first.to].iter();
            let events = events.map(|number| revision.encoded(*number, first.shape, &self.names));
            let events = events.collect::<Result<_, _>>()?;
            let delivery = Arc::new(Delivery::new(revision.revision(), revision.wall_ms(), events));
            for of_one_stream in alike.chunk_by(|a, b| a.outbox == b.outbox) {
                self.push(of_one_stream, &delivery);
            }
        }
        Ok(())
    }

    /// One share a watch; `pairs` are sorted.
    fn shares(&self, pairs: &[(usize, u32)]) -> Vec<Share> {
        let mut shares = Vec::new();
        let mut from = 0;
        for run in pairs.chunk_by(|a, b| a.0 == b.0) {
            let to = from + run.len();
            if let Some(watch) = self.watches.get(pairs[from].0) {
                shares.push(Share {
                    outbox: Arc::as_ptr(&watch.outbox).addr(),
                    shape: watch.spec.shape,
                    place: pairs[from].0,
                    from,
                    to,
                });
            }
            from = to;
        }
        shares
    }

    /// Those for whom there is no room are behind from here on.
    fn push(&mut self, alike: &[Share], delivery: &Arc<Delivery>) {
        let before = Revision(delivery.revision.0 - 1);
        let watches = &self.watches;
        let slots: Vec<usize> = alike.iter().map(|share| watches[share.place].slot).collect();
        let mut refused = Vec::new();
        if let Some(first) = alike.first() {
            watches[first.place].outbox.push(&slots, delivery, &mut refused);
        }
        for share in alike {
            let events = (share.to - share.from) as u64;
            self.given.events += events;
            if self.watches[share.place].cache.is_some() {
                self.given.to_caches += events;
            }
        }
        if refused.is_empty() {
            return;
        }
        refused.sort_unstable();
        for share in alike {
            if refused.binary_search(&self.watches[share.place].slot).is_ok() {
                self.set_standing(share.place, Standing::Behind);
                let watch = &mut self.watches[share.place];
                watch.position = watch.position.max(before);
                watch.refused = true;
                if watch.cache.is_some() {
                    let (place, number) = (share.place, watch.number);
                    self.lagging.push(WatchKey { place, number });
                }
            }
        }
    }

    /// What the hub had to route next is not there: every live watch reads it from the store.
    pub(super) fn gap(&mut self, newest: Revision) {
        let live: Vec<usize> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.standing == Standing::Live && watch.position < newest)
            // A cache without keys misses nothing.
            .filter(|(_, watch)| watch.cache.as_ref().is_none_or(|keys| !keys.is_empty()))
            .map(|(place, _)| place)
            .collect();
        let routed = self.routed;
        self.routed = newest;
        for place in live {
            self.set_standing(place, Standing::Behind);
            let watch = &mut self.watches[place];
            watch.position = watch.position.max(routed);
            let key = WatchKey {
                place,
                number: watch.number,
            };
            match &watch.cache {
                Some(_) => self.lagging.push(key),
                None => self.ready.push(key),
            }
        }
    }

    pub(super) fn set_standing(&mut self, place: usize, standing: Standing) {
        let Some(watch) = self.watches.get_mut(place) else {
            return;
        };
        let before = std::mem::replace(&mut watch.standing, standing);
        let (was, is) = (before == Standing::Live, standing == Standing::Live);
        if was == is {
            return;
        }
        for (space, selector) in &watch.spec.selectors {
            if is {
                self.index.insert(*space, selector, place);
            } else {
                self.index.remove(*space, selector, place);
            }
        }
        // A cache gets its keys when it is live, and is never live again.
        for (domain, key) in watch.cache.iter().flat_map(KeySet::iter) {
            self.index.remove_key(Space::Keys(domain), key, place);
        }
    }
}

impl Watch {
    fn lacks(&self, revision: Revision) -> bool {
        revision > self.position
    }
}
