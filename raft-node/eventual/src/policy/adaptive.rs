//! The state of ARC.

use super::eviction::Sampled;
use super::ghosts::Ghosts;
use super::usage::{Tick, Usage};

/// ARC (Megiddo and Modha, "ARC: A self-tuning, low overhead replacement cache", 2003) over a sample.
///
/// Entries that were used once since they came, and those used again, are two kinds. How many of the first kind there
/// should be is learnt from regret: a key that comes back soon after it was evicted as one of a kind says that there
/// should have been more of that kind.
///
/// In the paper both kinds are lists in order of use, and the last of one list goes. Here nothing is linked: the kind is a
/// bit of the entry, and the one that goes is the longest unused of that kind in the sample, or of the other kind if the
/// sample has none. The size of the cache is how many entries there are, since limits are in bytes; and each list of
/// ghosts is as long as there are entries, within a fixed limit.
#[derive(Debug, Default)]
pub(super) struct Adaptive {
    /// Entries used once.
    once: usize,
    /// Entries used again.
    again: usize,
    /// How many entries used once there should be.
    once_wanted: usize,
    /// Evicted when used once.
    ghosts_once: Ghosts,
    /// Evicted when used again.
    ghosts_again: Ghosts,
}

impl Adaptive {
    pub(super) fn inserted(&mut self, key_hash: u64, now: Tick) -> Usage {
        let usage = Usage::new(now, 0);
        let (once, again) = (self.ghosts_once.len(), self.ghosts_again.len());
        if self.ghosts_once.take(key_hash) {
            let step = (again / once.max(1)).max(1);
            self.once_wanted = (self.once_wanted + step).min(self.entries());
        } else if self.ghosts_again.take(key_hash) {
            let step = (once / again.max(1)).max(1);
            self.once_wanted = self.once_wanted.saturating_sub(step);
        } else {
            self.once += 1;
            return usage;
        }
        self.again += 1;
        usage.as_seen_again()
    }

    pub(super) fn used(&mut self, usage: Usage, now: Tick) -> Usage {
        if !usage.seen_again() {
            self.once = self.once.saturating_sub(1);
            self.again += 1;
        }
        usage.at(now).as_seen_again()
    }

    pub(super) fn victim(&self, sample: &[Sampled]) -> Option<usize> {
        let of_again = self.once <= self.once_wanted && self.again > 0;
        let places = 0..sample.len();
        places.min_by_key(|place| {
            let usage = sample[*place].usage;
            (usage.seen_again() != of_again, usage.tick())
        })
    }

    pub(super) fn evicted(&mut self, key_hash: u64, usage: Usage) {
        let limit = self.entries();
        self.removed(usage);
        let ghosts = if usage.seen_again() {
            &mut self.ghosts_again
        } else {
            &mut self.ghosts_once
        };
        ghosts.push(key_hash, limit);
    }

    pub(super) fn removed(&mut self, usage: Usage) {
        let kind = if usage.seen_again() {
            &mut self.again
        } else {
            &mut self.once
        };
        *kind = kind.saturating_sub(1);
    }

    /// How many there are.
    pub(super) fn entries(&self) -> usize {
        self.once + self.again
    }

    #[cfg(test)]
    pub(super) fn ghosts(&self) -> usize {
        self.ghosts_once.len() + self.ghosts_again.len()
    }

    #[cfg(test)]
    pub(super) fn once_wanted(&self) -> usize {
        self.once_wanted
    }
}
