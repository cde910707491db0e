//! The state of a policy for the entries of one domain in one shard.

use super::adaptive::Adaptive;
use super::frequency;
use super::policies::Policy;
use super::usage::{Tick, Usage};

/// How many entries to draw at random for [`Eviction::victim`]. With 8, sampled LRU answers within a few percent of what
/// exact LRU does; more costs more and gains little.
pub const SAMPLE_SIZE: usize = 8;

/// LFU lowers the frequency of an unused entry by one after 2^16 ticks: a little more than a minute if they are
/// milliseconds.
const PERIOD_SHIFT_DEFAULT: u32 = 16;

/// The state of a policy for the entries of one domain in one shard. It holds nothing of the entries themselves, and
/// allocates only for ARC.
///
/// The owner calls [`inserted`](Self::inserted) for each new entry, [`used`](Self::used) for each read and overwrite,
/// [`evicted`](Self::evicted) for each that goes because of this policy, and [`removed`](Self::removed) for each that goes
/// otherwise. To change the policy it makes a new one, and inserts all entries again.
#[derive(Debug)]
pub struct Eviction {
    policy: Policy,
    period_shift: u32,
    adaptive: Option<Box<Adaptive>>,
}

/// An entry that may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// What it remembers.
    pub usage: Usage,
    /// When it expires, in milliseconds since 1970; 0: never. Only compared with each other.
    pub expires_at_ms: u64,
}

impl Eviction {
    /// Of a shard without entries.
    pub fn new(policy: Policy) -> Self {
        Eviction {
            policy,
            period_shift: PERIOD_SHIFT_DEFAULT,
            adaptive: (policy == Policy::Arc).then(Box::default),
        }
    }

    /// For LFU: lowers the frequency of an unused entry by one for every 2^`shift` ticks. Default: 16. At most 63.
    pub fn with_period_shift(mut self, shift: u32) -> Self {
        self.period_shift = shift.min(63);
        self
    }

    /// Which policy it is.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// A new entry came. `key_hash` is the same for a key whenever it comes back, and spread over all 64 bits.
    pub fn inserted(&mut self, key_hash: u64, now: Tick) -> Usage {
        match &mut self.adaptive {
            Some(adaptive) => adaptive.inserted(key_hash, now),
            None => Usage::new(now, frequency::START),
        }
    }

    /// An entry was read or overwritten. `word` is random; only LFU looks at it.
    #[inline]
    pub fn used(&mut self, usage: &mut Usage, now: Tick, word: u64) {
        match self.policy {
            Policy::Lru | Policy::Ttl => *usage = usage.at(now),
            Policy::Lfu => {
                let frequency = frequency::raised(self.frequency_of(*usage, now), word);
                *usage = usage.at(now).with_frequency(frequency);
            }
            Policy::Fifo | Policy::Random => {}
            Policy::Arc => {
                if let Some(adaptive) = &mut self.adaptive {
                    *usage = adaptive.used(*usage, now);
                }
            }
        }
    }

    /// Which entry of the sample goes; nothing if it is empty. Of several that are alike, the first.
    pub fn victim(&self, sample: &[Sampled], now: Tick) -> Option<usize> {
        let places = 0..sample.len();
        let usage = |place: usize| sample[place].usage;
        match self.policy {
            Policy::Lru | Policy::Fifo => places.min_by_key(|place| usage(*place).tick()),
            Policy::Lfu => places.min_by_key(|place| (self.frequency_of(usage(*place), now), usage(*place).tick())),
            Policy::Ttl => places.min_by_key(|place| {
                // Less 1, 0 is the latest of all.
                (sample[*place].expires_at_ms.wrapping_sub(1), usage(*place).tick())
            }),
            Policy::Arc => self.adaptive.as_ref().and_then(|adaptive| adaptive.victim(sample)),
            // The sample was drawn at random.
            Policy::Random => (!sample.is_empty()).then_some(0),
        }
    }

    /// An entry went because this policy said so.
    pub fn evicted(&mut self, key_hash: u64, usage: Usage) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.evicted(key_hash, usage);
        }
    }

    /// An entry was deleted, or expired.
    pub fn removed(&mut self, usage: Usage) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.removed(usage);
        }
    }

    #[cfg(test)]
    pub(super) fn counted_by_arc(&self) -> usize {
        self.adaptive.as_ref().map_or(0, |adaptive| adaptive.entries())
    }

    fn frequency_of(&self, usage: Usage, now: Tick) -> u8 {
        frequency::lowered(
            usage.frequency(),
            now.0.saturating_sub(usage.tick().0),
            self.period_shift,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Words;
    use crate::policy::ghosts::GHOSTS_MAX;

    /// Entries that were inserted at ticks 1, 2, 3 and on.
    fn inserted(eviction: &mut Eviction, count: u64) -> Vec<Sampled> {
        let entries = 1..=count;
        let insert = |tick| Sampled {
            usage: eviction.inserted(tick, Tick(tick)),
            expires_at_ms: 0,
        };
        entries.map(insert).collect()
    }

    #[test]
    fn nobody_goes_from_an_empty_sample() {
        for policy in Policy::ALL {
            assert_eq!(Eviction::new(policy).victim(&[], Tick(1)), None);
        }
    }

    #[test]
    fn lru_evicts_what_was_not_used_for_the_longest_time_and_fifo_what_came_first() {
        for (policy, goes) in [
            (Policy::Lru, 1),
            (Policy::Fifo, 0),
            (Policy::Ttl, 1),
            (Policy::Lfu, 1),
            (Policy::Arc, 1),
        ] {
            let mut eviction = Eviction::new(policy);
            let mut sample = inserted(&mut eviction, 3);
            eviction.used(&mut sample[0].usage, Tick(9), 0);
            assert_eq!(eviction.victim(&sample, Tick(10)), Some(goes), "{policy}");
        }
    }

    #[test]
    fn lfu_evicts_what_is_used_least_and_forgets_old_use() {
        let mut eviction = Eviction::new(Policy::Lfu).with_period_shift(4);
        let mut sample = inserted(&mut eviction, 2);
        for tick in 3..20 {
            eviction.used(&mut sample[0].usage, Tick(tick), 0);
        }
        eviction.used(&mut sample[1].usage, Tick(20), 0);
        assert_eq!(eviction.victim(&sample, Tick(20)), Some(1));
        // Nobody asks for the first any more, now and then somebody asks for the second.
        for tick in (30..600).step_by(10) {
            eviction.used(&mut sample[1].usage, Tick(tick), u64::MAX);
        }
        assert_eq!(eviction.victim(&sample, Tick(600)), Some(0));
    }

    #[test]
    fn ttl_evicts_what_expires_soonest_and_what_never_expires_last() {
        let mut eviction = Eviction::new(Policy::Ttl);
        let mut sample = inserted(&mut eviction, 4);
        for (entry, expires_at_ms) in sample.iter_mut().zip([0, 500, 300, u64::MAX]) {
            entry.expires_at_ms = expires_at_ms;
        }
        let mut order = Vec::new();
        while let Some(victim) = eviction.victim(&sample, Tick(9)) {
            order.push(sample.remove(victim).expires_at_ms);
        }
        assert_eq!(order, [300, 500, u64::MAX, 0]);
    }

    #[test]
    fn random_evicts_every_entry_about_as_often() {
        let mut eviction = Eviction::new(Policy::Random);
        let entries = inserted(&mut eviction, 20);
        let mut words = Words::new(5);
        let mut evicted = [0; 20];
        for _ in 0..20_000 {
            let drawn: Vec<usize> = (0..SAMPLE_SIZE).map(|_| words.below(20) as usize).collect();
            let sample: Vec<Sampled> = drawn.iter().map(|place| entries[*place]).collect();
            evicted[drawn[eviction.victim(&sample, Tick(99)).unwrap()]] += 1;
        }
        assert!(evicted.iter().all(|count| (850..1_150).contains(count)), "{evicted:?}");
    }

    #[test]
    fn arc_evicts_entries_used_once_before_those_used_again() {
        let mut eviction = Eviction::new(Policy::Arc);
        let mut sample = inserted(&mut eviction, 4);
        eviction.used(&mut sample[0].usage, Tick(5), 0);
        eviction.used(&mut sample[1].usage, Tick(6), 0);
        assert_eq!(eviction.victim(&sample, Tick(7)), Some(2));
        // If the sample has none of that kind, the longest unused of the other goes.
        assert_eq!(eviction.victim(&sample[..2], Tick(7)), Some(0));
    }

    #[test]
    fn arc_learns_from_keys_that_come_back() {
        let mut eviction = Eviction::new(Policy::Arc);
        let mut sample = inserted(&mut eviction, 4);
        let wanted = |eviction: &Eviction| eviction.adaptive.as_ref().unwrap().once_wanted();
        eviction.evicted(1, sample[0].usage);
        eviction.evicted(2, sample[1].usage);
        let back = eviction.inserted(1, Tick(5));
        assert_eq!(
            wanted(&eviction),
            1,
            "it went as used once: there should be more of those"
        );
        eviction.used(&mut sample[2].usage, Tick(6), 0);
        // One is left that was used once, and one is wanted: now the longest unused of the others goes.
        let back = Sampled {
            usage: back,
            expires_at_ms: 0,
        };
        assert_eq!(eviction.victim(&[sample[3], sample[2], back], Tick(7)), Some(2));
        eviction.evicted(3, sample[2].usage);
        eviction.inserted(3, Tick(8));
        assert_eq!(
            wanted(&eviction),
            0,
            "it went as used again: there should be more of those"
        );
    }

    #[test]
    fn arc_remembers_no_more_evicted_keys_than_it_may() {
        let mut eviction = Eviction::new(Policy::Arc);
        let ghosts = |eviction: &Eviction| eviction.adaptive.as_ref().unwrap().ghosts();
        inserted(&mut eviction, 10);
        for key in 100..200 {
            let usage = eviction.inserted(key, Tick(key));
            eviction.evicted(key, usage);
            assert!(ghosts(&eviction) <= 11, "no more than there were entries");
        }
        for key in 0..5 * GHOSTS_MAX as u64 {
            let mut usage = eviction.inserted(key, Tick(key));
            if key % 2 == 0 {
                eviction.used(&mut usage, Tick(key), 0);
            }
            if key % 4 > 1 {
                eviction.evicted(key, usage);
            }
        }
        assert!(ghosts(&eviction) <= 2 * GHOSTS_MAX);
        assert!(ghosts(&eviction) > GHOSTS_MAX, "it was put to the test");
    }

    #[test]
    fn the_state_is_small_unless_it_is_arc() {
        assert!(size_of::<Eviction>() <= 16);
        assert_eq!(size_of::<Usage>(), 8);
    }
}
