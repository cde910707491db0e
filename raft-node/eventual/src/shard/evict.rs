//! Entries that go because memory is short.
//!
//! An entry that went at one member alone would be taken for deleted by all, as soon as two compare their states. So what
//! goes is deleted by an operation like any other, and one member does it for all.

use smallvec::SmallVec;

use super::{Action, Moment, Shard, Write};
use crate::canary::{self, Canary};
use crate::counts::Held;
use crate::entry::Entry;
use crate::key::Place;
use crate::policy::{SAMPLE_SIZE, Sampled};

/// Places that are drawn at most for one sample: some are empty, or of other domains.
const DRAWS_MAX: usize = 8 * SAMPLE_SIZE;
/// Places that are looked at one after the other if all that were drawn were empty.
const WALK_MAX: usize = 1_024;

impl Shard {
    /// What this shard holds of a domain.
    pub fn held_of(&self, domain: u32) -> Held {
        self.counts.held(domain)
    }

    /// Deletes the entry of the domain that its policy gives up first, of a few that are drawn. Returns false if none was
    /// found, or if the domain does not evict. Whoever calls it tells [`crate::Store::wrote`].
    pub fn evict(&mut self, domain: u32, now_ms: u64) -> bool {
        if self.uses.of(domain).is_none() {
            return false;
        }
        let sample = self.sample(domain);
        let sampled: SmallVec<[Sampled; SAMPLE_SIZE]> = sample.iter().map(|slot| self.sampled(*slot)).collect();
        let now = self.uses.now;
        let victim = self.uses.of(domain).and_then(|eviction| eviction.victim(&sampled, now));
        let Some(slot) = victim.map(|place| sample[place]) else {
            return false;
        };
        if canary::is(Canary::SilentLocalEviction) {
            let key = self.entries[slot].key.clone();
            self.lose_siblings(&key);
            self.counts.evicted(domain);
            return true;
        }
        let place = Place::of(self.entries[slot].key.address());
        let delete = Write {
            place: &place,
            action: Action::Delete,
            context: None,
            expires_at_ms: 0,
        };
        let moment = Moment {
            now_ms,
            predecessors: &[],
        };
        self.uses.evicts = true;
        let written = self.write(&delete, moment);
        self.uses.evicts = false;
        let evicted = written.is_ok_and(|written| written.dot.is_some());
        if evicted {
            self.counts.evicted(domain);
        }
        evicted
    }

    /// Slots of some entries of the domain, none of them twice.
    fn sample(&mut self, domain: u32) -> SmallVec<[usize; SAMPLE_SIZE]> {
        self.sample_where(domain, |_, _| true)
    }

    /// The same, of entries of which more is wanted.
    pub(super) fn sample_where(
        &mut self,
        domain: u32,
        wanted: impl Fn(&Self, &Entry) -> bool,
    ) -> SmallVec<[usize; SAMPLE_SIZE]> {
        let mut sample = SmallVec::new();
        let places = self.entries.capacity();
        if places == 0 {
            return sample;
        }
        let is_one = |shard: &Self, slot: usize| {
            let entry = shard.entries.get(slot);
            entry.is_some_and(|entry| entry.key.domain() == domain && wanted(shard, entry))
        };
        for _ in 0..DRAWS_MAX {
            let slot = self.uses.words.below(places as u64) as usize;
            if is_one(self, slot) && !sample.contains(&slot) {
                sample.push(slot);
            }
            if sample.len() >= SAMPLE_SIZE {
                return sample;
            }
        }
        if sample.is_empty() {
            let from = self.uses.words.below(places as u64) as usize;
            let walked = (from..places).chain(0..from).take(WALK_MAX);
            sample.extend(walked.filter(|slot| is_one(self, *slot)).take(1));
        }
        sample
    }

    pub(super) fn sampled(&self, slot: usize) -> Sampled {
        let entry = &self.entries[slot];
        let ends = entry.siblings().map(|sibling| sibling.life.expires_at_ms());
        Sampled {
            usage: entry.usage,
            // One that never ends outlives the others.
            expires_at_ms: ends.max_by_key(|end| end.wrapping_sub(1)).unwrap_or(0),
        }
    }

    /// The write would make the shard larger, so that a full domain refuses it: an entry or a value more, or a longer value in
    /// place of what is there. Values that are merged count as longer.
    pub fn would_grow(&self, write: &Write<'_>) -> bool {
        use crate::kind::Strategy;
        let (value, strategy) = match write.action {
            Action::Delete => return false,
            // A share takes a few bytes, whatever it says.
            Action::Add(_) => return self.find(write.place.hash, write.place.bytes()).is_none(),
            Action::Put { value, strategy, .. } => (value, strategy),
        };
        let Some(slot) = self.find(write.place.hash, write.place.bytes()) else {
            return true;
        };
        let entry = &self.entries[slot as usize];
        let here: u64 = entry.siblings().map(|sibling| sibling.bytes()).sum();
        match strategy {
            Strategy::Union | Strategy::Merge => true,
            Strategy::Siblings if write.context.is_none() => true,
            _ => value.len() as u64 > here,
        }
    }
}
