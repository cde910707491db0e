//! What entries remember of their use, in domains that evict.
//!
//! A shard has no clock and draws no random numbers: a moment comes with each write and with [`Shard::tick`], and the words
//! are of a sequence of its own, which only has to be spread.

use smallvec::SmallVec;

use super::Shard;
use crate::actor::ActorId;
use crate::key::{Key, Place};
use crate::policy::{Eviction, Policy, Tick, Usage, Words};

/// The state of eviction in one shard.
#[derive(Debug)]
pub(super) struct Uses {
    /// Of domains that evict. Hardly ever more than one has entries in a shard.
    domains: SmallVec<[(u32, Eviction); 1]>,
    pub(super) words: Words,
    pub(super) now: Tick,
    /// What goes now, goes because memory is short.
    pub(super) evicts: bool,
}

impl Uses {
    pub(super) fn new(process: ActorId) -> Self {
        Uses {
            domains: SmallVec::new(),
            words: Words::new(process.0),
            now: Tick::default(),
            evicts: false,
        }
    }

    pub(super) fn of(&mut self, domain: u32) -> Option<&mut Eviction> {
        let found = self.domains.iter_mut().find(|(of, _)| *of == domain);
        found.map(|(_, eviction)| eviction)
    }
}

impl Shard {
    /// From now on, entries of the domain remember their use as the policy wants; without one, they remember nothing. All
    /// that are here begin anew if the policy is another than before.
    pub fn evict_by(&mut self, domain: u32, policy: Option<Policy>) {
        let before = self.uses.of(domain).map(|eviction| eviction.policy());
        if before == policy {
            return;
        }
        self.uses.domains.retain(|(of, _)| *of != domain);
        let Some(policy) = policy else { return };
        let mut eviction = Eviction::new(policy);
        for (_, entry) in &mut self.entries {
            if entry.key.domain() == domain {
                entry.usage = eviction.inserted(entry.key.hash(), self.uses.now);
            }
        }
        self.uses.domains.push((domain, eviction));
    }

    /// The moment of what comes from peers until the next tick.
    pub fn tick(&mut self, now: Tick) {
        self.uses.now = now;
    }

    /// A client read what is at the place. Nothing in domains that do not evict.
    pub fn used(&mut self, place: &Place) {
        if self.uses.domains.is_empty() {
            return;
        }
        if let Some(slot) = self.find(place.hash, place.bytes()) {
            self.use_slot(slot);
        }
    }

    pub(super) fn use_slot(&mut self, slot: u32) {
        if self.uses.domains.is_empty() {
            return;
        }
        let entry = &mut self.entries[slot as usize];
        let (now, word) = (self.uses.now, self.uses.words.draw());
        if let Some(eviction) = self.uses.of(entry.key.domain()) {
            eviction.used(&mut entry.usage, now, word);
        }
    }

    /// What a new entry remembers.
    pub(super) fn usage_of_new(&mut self, key: &Key) -> Usage {
        let now = self.uses.now;
        match self.uses.of(key.domain()) {
            Some(eviction) => eviction.inserted(key.hash(), now),
            None => Usage::default(),
        }
    }

    /// An entry went.
    pub(super) fn usage_gone(&mut self, key: &Key, usage: Usage) {
        let evicts = self.uses.evicts;
        match self.uses.of(key.domain()) {
            Some(eviction) if evicts => eviction.evicted(key.hash(), usage),
            Some(eviction) => eviction.removed(usage),
            None => {}
        }
    }

    /// What the entry of a key remembers, before something takes its place.
    pub(super) fn usage_before(&self, key: &Key) -> Option<Usage> {
        if self.uses.domains.is_empty() {
            return None;
        }
        self.entry_of(key).map(|entry| entry.usage)
    }

    /// The entry took the place of one that remembered this: that is a use, not a new entry.
    pub(super) fn carry_usage(&mut self, key: &Key, before: Option<Usage>) {
        let Some((before, slot)) = before.zip(self.find(key.hash(), key.bytes())) else {
            return;
        };
        let policy = self.uses.of(key.domain()).map(|eviction| eviction.policy());
        // ARC counts its entries by what they remember, and has counted this one as new.
        if policy.is_some_and(|policy| policy != Policy::Arc) {
            self.entries[slot as usize].usage = before;
        }
        self.use_slot(slot);
    }
}
