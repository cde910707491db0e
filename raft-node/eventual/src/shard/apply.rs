//! Operations of other processes.

use super::Shard;
use crate::actor::ActorIndex;
use crate::canary::{self, Canary};
use crate::dot::Dot;
use crate::entry::Sibling;
use crate::key::{Key, KeyRef};
use crate::kind::{Space, Strategy};
use crate::log::Removed;

/// What operations or a state changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Operations that were new here.
    pub operations: u64,
    /// Entries that changed.
    pub merged: u64,
    /// Times that a value came to stand beside one that had been written concurrently, and they are read as one.
    pub conflicts: u64,
    /// Of those, where the values stand beside each other until a client makes one of them.
    pub siblings: u64,
    /// Of those, where one of them is not in what is read: the last write won.
    pub discarded: u64,
}

impl Applied {
    /// Adds up.
    pub fn add(&mut self, other: Applied) {
        self.operations += other.operations;
        self.merged += other.merged;
        self.conflicts += other.conflicts;
        self.siblings += other.siblings;
        self.discarded += other.discarded;
    }

    /// A value was put beside `others`.
    pub(super) fn met(&mut self, key: &Key, strategy: Strategy, others: usize) {
        if others == 0 || key.address().space == Space::Counter {
            return;
        }
        match strategy {
            Strategy::Siblings => self.siblings += 1,
            Strategy::LastWrite => {
                self.conflicts += 1;
                self.discarded += 1;
            }
            Strategy::Union | Strategy::Merge | Strategy::Max | Strategy::Min => self.conflicts += 1,
        }
    }
}

/// Operations that do not follow those that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub actor: ActorIndex,
    /// The last that is here.
    pub have: u64,
}

/// An operation of another process.
#[derive(Clone, Debug)]
pub struct RemoteOp<'a> {
    /// Its name.
    pub dot: Dot,
    /// What it changes.
    pub key: KeyRef<'a>,
    /// What it supersedes.
    pub removed: Removed,
    /// What it writes. None if it takes away, or if what it wrote is superseded in the same frame.
    pub sibling: Option<Sibling>,
}

impl Shard {
    /// Applies the next operation of its actor; one that was applied already changes nothing.
    pub(crate) fn apply(&mut self, op: RemoteOp<'_>, applied: &mut Applied) -> Result<(), Gap> {
        let RemoteOp {
            dot,
            key,
            removed,
            sibling,
        } = op;
        let have = self.clock.get(dot.actor());
        if have >= dot.number() {
            return Ok(());
        }
        if have + 1 != dot.number() {
            return Err(Gap {
                actor: dot.actor(),
                have,
            });
        }
        let slot = self.find(key.hash(), key.bytes());
        let sibling = match (slot, sibling) {
            (Some(slot), Some(sibling)) if self.supersedes_the_only(slot, &removed) && !self.pending.contains(&dot) => {
                let key = self.apply_to_only(slot, sibling);
                self.touched(&key);
                self.remember(dot, key, removed);
                applied.operations += 1;
                applied.merged += 1;
                return Ok(());
            }
            (_, sibling) => sibling,
        };
        let key = match slot {
            Some(slot) => self.entries[slot as usize].key.clone(),
            None => key.keep(),
        };
        let mut changed = false;
        let before = self.usage_before(&key);
        for superseded in &removed {
            changed |= self.supersede(&key, *superseded, true);
        }
        self.clock.advance(dot.actor(), dot.number());
        let superseded_before = self.pending.remove(&dot);
        if let Some(sibling) = sibling.filter(|_| !superseded_before) {
            changed = true;
            self.admit(&key, sibling, applied);
            self.carry_usage(&key, before);
        }
        applied.operations += 1;
        if changed {
            applied.merged += 1;
            self.touched(&key);
        }
        self.remember(dot, key, removed);
        Ok(())
    }

    /// Puts a value of another process in the place of the only one there, which it supersedes.
    fn apply_to_only(&mut self, slot: u32, sibling: Sibling) -> Key {
        let dot = sibling.dot;
        self.last_hlc = self.last_hlc.max(sibling.hlc);
        let (key, old) = self.replace_only(slot, sibling);
        if old.dot.actor() == self.me {
            self.keep_orphan(old);
        }
        self.clock.advance(dot.actor(), dot.number());
        key
    }

    /// Puts a value of another process beside those that are here.
    pub(super) fn admit(&mut self, key: &Key, sibling: Sibling, applied: &mut Applied) {
        self.last_hlc = self.last_hlc.max(sibling.hlc);
        let strategy = sibling.life.strategy();
        if canary::is(Canary::SiblingLostOnMerge) && strategy == Strategy::Siblings {
            self.lose_siblings(key);
        }
        let others = self.insert(key, sibling);
        #[cfg(test)]
        if self.rules.broken == Some(super::Rule::KeepLosers) {
            self.drop_losers(key);
        }
        applied.met(key, strategy, others);
        if others > 0 && key.address().space != Space::Counter {
            self.counts.conflict(key.domain(), strategy);
        }
    }

    /// What is under the key goes, as if it had never been there.
    pub(super) fn lose_siblings(&mut self, key: &Key) {
        let Some(slot) = self.find(key.hash(), key.bytes()) else {
            return;
        };
        let dots: Vec<Dot> = self.entries[slot as usize]
            .siblings()
            .map(|sibling| sibling.dot)
            .collect();
        for dot in dots {
            self.remove(key, dot);
        }
    }
}
