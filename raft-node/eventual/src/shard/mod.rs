//! A shard: an independent replicated object, with a lock of its own.
//!
//! Its state is a function of the set of operations that were applied, whatever their order and however often each came:
//! the values they wrote, but for those that one of them supersedes. So equal clocks mean equal states.
//!
//! ```text
//! write   an operation of this process, at this member
//! apply   operations of others, as they were
//! join    the state of another member, where operations are not remembered any more
//! ```

mod apply;
mod cold;
mod drop;
mod evict;
mod expire;
mod join;
mod persist;
mod read;
mod replace;
mod retire;
mod rules;
mod unseen;
mod usage;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashTable;
use slab::Slab;

use crate::actor::{ActorIndex, Actors};
use crate::clock::Clock;
use crate::counts::Counts;
use crate::dot::Dot;
use crate::entry::{Entry, Sibling};
use crate::hlc::Hlc;
use crate::key::Key;
use crate::log::{Log, Op, Removed};

pub(crate) use apply::RemoteOp;
pub use apply::{Applied, Gap};
pub use cold::{Cold, Fetched};
pub use drop::Dropping;
#[cfg(test)]
use expire::DROP_AFTER_MS;
pub(crate) use join::RemoteState;
use persist::Changed;
pub use persist::{Siblings, Unflushed};
pub use read::Held;
#[cfg(test)]
use rules::Rule;
use rules::Rules;
use unseen::Noting;
pub use unseen::{Unseen, UnseenKey};
use usage::Uses;
pub use write::{Action, Moment, Refused, SIBLINGS_MAX, Write, Written};

/// Shards of durable domains, and as many again of volatile ones.
pub const SHARDS_PER_SET: u16 = 256;
/// All shards.
pub const SHARDS: u16 = 2 * SHARDS_PER_SET;

/// Which shard: those of durable domains first, then those of volatile ones. A clock must never cover what is not on disk
/// with it, so the two never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNumber(u16);

impl ShardNumber {
    /// Every shard.
    pub fn all() -> impl Iterator<Item = ShardNumber> {
        (0..SHARDS).map(ShardNumber)
    }

    /// The shard of this number, if there is one.
    pub fn new(number: u32) -> Option<Self> {
        u16::try_from(number)
            .ok()
            .filter(|number| *number < SHARDS)
            .map(ShardNumber)
    }

    /// The shard of what hashes so.
    pub fn of_hash(hash: u64, volatile: bool) -> Self {
        // The upper bits: the table inside the shard uses the lower ones.
        let within = (hash >> 48) as u16 % SHARDS_PER_SET;
        ShardNumber(within + if volatile { SHARDS_PER_SET } else { 0 })
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// Its place in a list of all shards.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// It is never on disk.
    pub fn is_volatile(self) -> bool {
        self.0 >= SHARDS_PER_SET
    }
}

/// What bounds a shard's memory.
#[derive(Clone, Copy, Debug)]
pub struct ShardLimits {
    /// Operations that are remembered.
    pub log_ops_max: usize,
    /// Bytes of values that are kept only for peers that lack them.
    pub orphan_bytes_max: usize,
    /// Bytes of a value that a write of this process makes of what it found and what the client gave. What comes from others
    /// is taken as it is, and values that stand beside each other may resolve to more.
    pub value_bytes_max: usize,
    /// Bytes of the smallest value that goes to the disk alone: of a smaller one, little memory would be won.
    pub cold_bytes_min: usize,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            log_ops_max: 8_192,
            orphan_bytes_max: 128 << 10,
            value_bytes_max: 1 << 20,
            cold_bytes_min: 64,
        }
    }
}

/// A value of this process that another's operation superseded before every peer had it: it is kept for those that lack it.
/// Without it, a third member would lose the old value with the next frame and get the new one later.
#[derive(Clone, Debug)]
struct Orphan {
    sibling: Sibling,
}

impl Orphan {
    /// What it costs.
    fn bytes(sibling: &Sibling) -> usize {
        sibling.value.bytes().len() + size_of::<Orphan>()
    }
}

/// One shard.
pub struct Shard {
    me: ActorIndex,
    actors: Arc<Actors>,
    clock: Clock,
    entries: Slab<Entry>,
    /// Hash of a key -> its slot.
    index: HashTable<u32>,
    /// Bytes before the element -> the elements, of sets and maps.
    collections: BTreeMap<Box<[u8]>, BTreeSet<Box<[u8]>>>,
    /// Dots that an operation superseded before they came.
    pending: BTreeSet<Dot>,
    log: Log,
    orphans: BTreeMap<Dot, Orphan>,
    orphan_bytes: usize,
    /// Every peer once had this process's operations up to this one.
    acknowledged: u64,
    /// Values that peers superseded are not kept any more of operations up to this one.
    orphans_gone_to: u64,
    limits: ShardLimits,
    last_hlc: Hlc,
    /// XOR over the values that have no end, of their keys and dots.
    digest: u64,
    /// Entries with an end, by when the first of their values ends.
    endings: BTreeSet<(u64, u32)>,
    counts: Counts,
    /// Operations whose values are on the disk alone, and how long those are.
    cold: BTreeMap<Dot, u32>,
    /// Keys that changed since they were last written to disk.
    unflushed: Option<Changed>,
    uses: Uses,
    /// Keys that changed since those who watch were last told.
    unseen: Option<Noting>,
    /// Which of the algorithm's rules it follows: all, but in tests.
    rules: Rules,
}

impl Shard {
    /// An empty shard of the process `me`.
    pub fn new(me: ActorIndex, actors: Arc<Actors>, counts: Counts, limits: ShardLimits) -> Self {
        Shard {
            uses: Uses::new(actors.id(me)),
            me,
            actors,
            clock: Clock::default(),
            entries: Slab::new(),
            index: HashTable::new(),
            collections: BTreeMap::new(),
            pending: BTreeSet::new(),
            log: Log::new(limits.log_ops_max),
            orphans: BTreeMap::new(),
            orphan_bytes: 0,
            acknowledged: 0,
            orphans_gone_to: 0,
            limits,
            last_hlc: Hlc::default(),
            digest: 0,
            endings: BTreeSet::new(),
            counts,
            cold: BTreeMap::new(),
            unflushed: None,
            unseen: None,
            rules: Rules::ALL,
        }
    }

    /// What it has.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many operations of this process there are.
    pub fn own_number(&self) -> u64 {
        self.clock.get(self.me)
    }

    /// XOR over the values that have no end, of their keys and dots. Equal at members whose clocks are equal and that await
    /// nothing.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Some operation named a dot that has not come yet.
    pub fn awaits_something(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Entries, also those whose end has come but that are not dropped yet.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Operations that are remembered.
    pub fn log_len(&self) -> usize {
        self.log.len()
    }

    /// Bytes of values kept only for peers.
    pub fn orphan_bytes(&self) -> usize {
        self.orphan_bytes
    }

    fn touched(&mut self, key: &Key) {
        if let Some(unflushed) = &mut self.unflushed {
            unflushed.push(key);
        }
        if let Some(unseen) = &mut self.unseen {
            unseen.note(key, false);
        }
    }

    fn find(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        let is = |slot: &u32| self.entries[*slot as usize].key.bytes() == bytes;
        self.index.find(hash, is).copied()
    }

    fn entry_of(&self, key: &Key) -> Option<&Entry> {
        self.find(key.hash(), key.bytes())
            .map(|slot| &self.entries[slot as usize])
    }

    fn sibling_digest(&self, key_hash: u64, sibling: &Sibling) -> u64 {
        self.dot_digest(key_hash, sibling.dot, sibling.life.ends())
    }

    fn dot_digest(&self, key_hash: u64, dot: Dot, ends: bool) -> u64 {
        if ends {
            return 0;
        }
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&key_hash.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.actors.id(dot.actor()).0.to_le_bytes());
        bytes[16..].copy_from_slice(&dot.number().to_le_bytes());
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// Puts a sibling beside those that the key has. Returns how many there were.
    fn insert(&mut self, key: &Key, sibling: Sibling) -> usize {
        self.digest ^= self.sibling_digest(key.hash(), &sibling);
        self.count_unflushed(&sibling);
        let expires_at_ms = sibling.life.expires_at_ms();
        let domain = key.domain();
        if let Some(slot) = self.find(key.hash(), key.bytes()) {
            let entry = &mut self.entries[slot as usize];
            let (siblings, before) = (entry.len(), entry.bytes());
            entry.push(sibling);
            let after = entry.bytes();
            self.counts.resize(domain, before, after);
            self.counts.siblings(domain, 1);
            self.note_ending(expires_at_ms, slot);
            return siblings;
        }
        let usage = self.usage_of_new(key);
        let entry = Entry::new(key.clone(), usage, sibling);
        self.counts.resize_with(domain, 0, entry.bytes(), 1);
        let slot = self.entries.insert(entry) as u32;
        let entries = &self.entries;
        self.index
            .insert_unique(key.hash(), slot, |slot| entries[*slot as usize].key.hash());
        self.note_ending(expires_at_ms, slot);
        if let Some(element) = key.address().element {
            let elements = self.collections.entry(key.collection().into()).or_default();
            elements.insert(element.into());
        }
        0
    }

    fn note_ending(&mut self, expires_at_ms: u64, slot: u32) {
        if expires_at_ms != 0 {
            self.endings.insert((expires_at_ms, slot));
        }
    }

    /// Takes a sibling away, and the entry with its last.
    fn remove(&mut self, key: &Key, dot: Dot) -> Option<Sibling> {
        let slot = self.find(key.hash(), key.bytes())?;
        let entry = &mut self.entries[slot as usize];
        let before = entry.bytes();
        let sibling = match entry.take(dot)? {
            Ok(sibling) => {
                let after = entry.bytes();
                self.counts.resize(key.domain(), before, after);
                self.counts.siblings(key.domain(), -1);
                self.forget_ending(&sibling, slot);
                sibling
            }
            Err(sibling) => {
                self.forget_ending(&sibling, slot);
                self.remove_entry(slot);
                sibling
            }
        };
        self.digest ^= self.sibling_digest(key.hash(), &sibling);
        self.forget_cold(key.domain(), &sibling);
        Some(sibling)
    }

    /// Two values of an entry may end at the same moment; then the note stays, and the sweep finds the other.
    fn forget_ending(&mut self, sibling: &Sibling, slot: u32) {
        let end = sibling.life.expires_at_ms();
        if end == 0 {
            return;
        }
        let entry = &self.entries[slot as usize];
        let another = entry
            .siblings()
            .any(|other| other.dot != sibling.dot && other.life.expires_at_ms() == end);
        if !another {
            self.endings.remove(&(end, slot));
        }
    }

    fn remove_entry(&mut self, slot: u32) {
        let entry = self.entries.remove(slot as usize);
        self.usage_gone(&entry.key, entry.usage);
        self.counts.resize_with(entry.key.domain(), entry.bytes(), 0, -1);
        self.counts.siblings(entry.key.domain(), 1 - entry.len() as i64);
        let is = |other: &u32| *other == slot;
        if let Ok(found) = self.index.find_entry(entry.key.hash(), is) {
            found.remove();
        }
        if let Some(element) = entry.key.address().element
            && let Some(elements) = self.collections.get_mut(entry.key.collection())
        {
            elements.remove(element);
            if elements.is_empty() {
                self.collections.remove(entry.key.collection());
            }
        }
    }

    /// The dot is superseded: its value goes, or, if it has not come yet, will not stay when it comes. `by_peer`: the one who
    /// superseded it is another process.
    fn supersede(&mut self, key: &Key, dot: Dot, by_peer: bool) -> bool {
        if let Some(sibling) = self.remove(key, dot) {
            if by_peer && dot.actor() == self.me {
                self.keep_orphan(sibling);
            }
            return true;
        }
        // Nobody can have superseded what this process has not written yet.
        if !self.clock.covers(dot) && dot.actor() != self.me && self.rules.keep_pending() {
            self.pending.insert(dot);
        }
        false
    }

    fn keep_orphan(&mut self, sibling: Sibling) {
        if !self.rules.keep_orphans() {
            return;
        }
        // The disk forgets what stands in no entry any more.
        if sibling.dot.number() <= self.acknowledged || sibling.value.is_cold() {
            self.orphans_gone_to = self.orphans_gone_to.max(sibling.dot.number());
            return;
        }
        self.orphan_bytes += Orphan::bytes(&sibling);
        self.orphans.insert(sibling.dot, Orphan { sibling });
        while self.orphan_bytes > self.limits.orphan_bytes_max && self.drop_first_orphan().is_some() {}
    }

    /// Every peer has this process's operations up to `number`: what was kept for them goes.
    pub fn acknowledged_by_all(&mut self, number: u64) {
        self.acknowledged = self.acknowledged.max(number);
        while self.orphans.keys().next().is_some_and(|first| first.number() <= number) {
            self.drop_first_orphan();
        }
    }

    /// Whoever lacks it, as a peer that lost its disk, must not get the operation without the one that superseded it.
    fn drop_first_orphan(&mut self) -> Option<()> {
        let (dot, orphan) = self.orphans.pop_first()?;
        self.orphan_bytes -= Orphan::bytes(&orphan.sibling);
        self.orphans_gone_to = self.orphans_gone_to.max(dot.number());
        Some(())
    }

    /// Of this process's operations after number `after`, all that wrote what a peer superseded have their values yet.
    pub(crate) fn has_orphans_after(&self, after: u64) -> bool {
        after >= self.orphans_gone_to || !self.rules.send_own_with_orphans()
    }

    /// What the operation wrote, where it still is: in its entry, or kept for peers.
    pub(crate) fn value_of(&self, key: &Key, dot: Dot) -> Option<&Sibling> {
        self.entry_of(key)
            .and_then(|entry| entry.get(dot))
            .or_else(|| self.orphans.get(&dot).map(|orphan| &orphan.sibling))
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn me(&self) -> ActorIndex {
        self.me
    }

    pub(crate) fn actors(&self) -> &Arc<Actors> {
        &self.actors
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = Dot> {
        self.pending.iter().copied()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    fn remember(&mut self, dot: Dot, key: Key, removed: Removed) {
        self.clock_is_unflushed();
        let removed = removed.into();
        self.log.push(dot.actor(), dot.number(), Op { key, removed });
    }
}

#[cfg(test)]
mod tests;
