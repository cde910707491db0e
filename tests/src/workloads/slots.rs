//! Keys that are given up after some use.
//!
//! Every check gets harder, and every list longer, the more is done to one key. So a key is a slot and a generation, and
//! the next generation begins when the one before has been used enough.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::Rng;
use rand::rngs::SmallRng;

/// Slots that the clients of a workload share: few, so that they meet.
#[derive(Debug)]
pub(super) struct Slots {
    used: Vec<AtomicU64>,
    uses_max: u64,
}

/// A slot and a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub slot: u64,
    pub generation: u64,
}

impl Slots {
    /// `slots` slots, each key of which is used `uses_max` times.
    pub(super) fn new(slots: u64, uses_max: u64) -> Slots {
        Slots {
            used: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            uses_max,
        }
    }

    /// A key at random, which counts as a use of it.
    pub(super) fn take(&self, random: &mut SmallRng) -> Slot {
        let slot = random.random_range(0..self.used.len());
        let used = self.used[slot].fetch_add(1, Ordering::AcqRel);
        Slot {
            slot: slot as u64,
            generation: used / self.uses_max,
        }
    }

    /// Every slot as it is now.
    pub(super) fn current(&self) -> Vec<Slot> {
        let used = (0..).zip(&self.used);
        let slots = used.map(|(slot, used)| Slot {
            slot,
            generation: used.load(Ordering::Acquire) / self.uses_max,
        });
        slots.collect()
    }
}
