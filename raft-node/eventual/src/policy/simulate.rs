//! What a policy would have done with a trace.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use super::eviction::{Eviction, SAMPLE_SIZE, Sampled};
use super::policies::Policy;
use super::trace::{Request, Trace};
use super::usage::Tick;
use super::words::Words;

/// How a simulation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many requests there were.
    pub requests: usize,
    /// How many of them found their key in memory.
    pub hits: usize,
}

impl Outcome {
    /// From 0 to 1; 0 if there were no requests.
    pub fn hit_rate(self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }
}

/// Runs a trace through memory for `capacity` entries, with the code that members evict with. Ticks are requests. The same
/// seed gives the same outcome.
pub fn simulate(trace: &Trace, capacity: NonZeroUsize, policy: Policy, seed: u64) -> Outcome {
    let mut memory = Memory::new(capacity, policy, seed);
    let hits = trace
        .requests()
        .iter()
        .zip(1..)
        .filter(|(request, tick)| memory.answers(**request, Tick(*tick)))
        .count();
    Outcome {
        requests: trace.requests().len(),
        hits,
    }
}

/// The same with LRU that always evicts the one that was not used for the longest time: what sampling is compared with.
pub fn simulate_exact_lru(trace: &Trace, capacity: NonZeroUsize) -> Outcome {
    let mut last_use: HashMap<u64, u64> = HashMap::new();
    let mut by_use: BTreeMap<u64, u64> = BTreeMap::new();
    let mut hits = 0;
    for (request, tick) in trace.requests().iter().zip(1..) {
        match last_use.insert(request.key_hash, tick) {
            Some(before) => {
                hits += 1;
                by_use.remove(&before);
            }
            None if by_use.len() == capacity.get() => {
                let oldest = by_use.pop_first().map(|(_, key_hash)| key_hash);
                oldest.map(|key_hash| last_use.remove(&key_hash));
            }
            None => {}
        }
        by_use.insert(tick, request.key_hash);
    }
    Outcome {
        requests: trace.requests().len(),
        hits,
    }
}

struct Memory {
    capacity: usize,
    eviction: Eviction,
    words: Words,
    entries: Vec<(u64, Sampled)>,
    places: HashMap<u64, usize>,
}

impl Memory {
    fn new(capacity: NonZeroUsize, policy: Policy, seed: u64) -> Self {
        // Requests have no milliseconds, so the period of LFU has to be chosen: on Zipf traces a shorter one forgets
        // popular keys between two uses, and a longer one gains nothing but is slower to follow when others become popular.
        let period_shift = capacity.get().saturating_mul(32).ilog2();
        Memory {
            capacity: capacity.get(),
            eviction: Eviction::new(policy).with_period_shift(period_shift),
            words: Words::new(seed),
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Whether the key is there. Afterwards it is.
    fn answers(&mut self, request: Request, now: Tick) -> bool {
        if let Some(&place) = self.places.get(&request.key_hash) {
            let entry = &mut self.entries[place].1;
            if entry.expires_at_ms == 0 || entry.expires_at_ms > now.0 {
                self.eviction.used(&mut entry.usage, now, self.words.draw());
                return true;
            }
            let (_, expired) = self.take(place);
            self.eviction.removed(expired.usage);
        } else if self.entries.len() == self.capacity {
            self.evict(now);
        }
        let expires_at_ms = if request.life == 0 {
            0
        } else {
            now.0 + u64::from(request.life)
        };
        let usage = self.eviction.inserted(request.key_hash, now);
        self.places.insert(request.key_hash, self.entries.len());
        self.entries.push((request.key_hash, Sampled { usage, expires_at_ms }));
        false
    }

    fn evict(&mut self, now: Tick) {
        let places: [usize; SAMPLE_SIZE] =
            std::array::from_fn(|_| self.words.below(self.entries.len() as u64) as usize);
        let sample = places.map(|place| self.entries[place].1);
        if let Some(victim) = self.eviction.victim(&sample, now) {
            let (key_hash, entry) = self.take(places[victim]);
            self.eviction.evicted(key_hash, entry.usage);
        }
    }

    fn take(&mut self, place: usize) -> (u64, Sampled) {
        let taken = self.entries.swap_remove(place);
        self.places.remove(&taken.0);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(*moved, place);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn rate(trace: &Trace, capacity: usize, policy: Policy) -> f64 {
        simulate(trace, entries(capacity), policy, 1).hit_rate()
    }

    /// Popular keys, and every now and then a run of keys that nobody asks for again.
    fn polluted() -> Trace {
        Trace::zipf(20_000, 0.9, 300_000, 2).mixed_with(Trace::scan(300_000), 2_000, 4_000)
    }

    #[test]
    fn sampled_lru_answers_about_as_often_as_exact_lru() {
        for (exponent, capacity) in [(0.7, 500), (0.9, 1_000), (1.1, 2_000)] {
            let trace = Trace::zipf(20_000, exponent, 300_000, 3);
            let exact = simulate_exact_lru(&trace, entries(capacity)).hit_rate();
            let sampled = rate(&trace, capacity, Policy::Lru);
            assert!(
                (exact - sampled).abs() < 0.03,
                "exponent {exponent}: exact {exact:.3}, sampled {sampled:.3}"
            );
        }
    }

    #[test]
    fn exact_lru_is_exact() {
        let trace = Trace::of_keys(["a", "b", "a", "c", "a", "b", "c", "c"]).unwrap();
        // Two fit: a, b, a is there, c evicts b, a is there, b evicts c, c evicts a, c is there.
        assert_eq!(simulate_exact_lru(&trace, entries(2)), Outcome { requests: 8, hits: 3 });
        assert_eq!(simulate_exact_lru(&Trace::looped(10, 100), entries(9)).hits, 0);
        assert_eq!(simulate_exact_lru(&Trace::looped(10, 100), entries(10)).hits, 90);
    }

    #[test]
    fn lfu_and_arc_keep_the_popular_keys_through_scans() {
        let trace = polluted();
        let [lru, lfu, arc] = [Policy::Lru, Policy::Lfu, Policy::Arc].map(|policy| rate(&trace, 1_000, policy));
        assert!(lfu > lru + 0.05, "lru {lru:.3}, lfu {lfu:.3}");
        assert!(arc > lru + 0.05, "lru {lru:.3}, arc {arc:.3}");
    }

    #[test]
    fn arc_and_lru_follow_when_other_keys_become_popular() {
        let trace = Trace::shifting(20_000, 0.9, 300_000, 5, 8);
        let [random, lru, arc] = [Policy::Random, Policy::Lru, Policy::Arc].map(|policy| rate(&trace, 1_000, policy));
        assert!(lru > random + 0.03, "lru {lru:.3}, random {random:.3}");
        assert!(arc > random + 0.03, "arc {arc:.3}, random {random:.3}");
    }

    #[test]
    fn a_loop_that_does_not_fit_is_what_lru_is_worst_at() {
        let trace = Trace::looped(1_100, 100_000);
        assert_eq!(simulate_exact_lru(&trace, entries(1_000)).hits, 0);
        let [lru, random] = [Policy::Lru, Policy::Random].map(|policy| rate(&trace, 1_000, policy));
        assert!(random > lru + 0.1, "lru {lru:.3}, random {random:.3}");
    }

    #[test]
    fn ttl_makes_room_by_what_would_go_soon_anyway() {
        let zipf = Trace::zipf(20_000, 0.9, 300_000, 4);
        // Half of the keys live too shortly to be asked for again often.
        let mortal = zipf.requests().iter().map(|request| Request {
            life: if request.key_hash % 2 == 0 { 400 } else { 100_000 },
            ..*request
        });
        let trace = Trace::of_requests(mortal).unwrap();
        let [ttl, fifo] = [Policy::Ttl, Policy::Fifo].map(|policy| rate(&trace, 1_000, policy));
        assert!(ttl > fifo, "ttl {ttl:.3}, fifo {fifo:.3}");
    }

    #[test]
    fn arc_counts_what_is_there() {
        let mut memory = Memory::new(entries(100), Policy::Arc, 1);
        let trace = Trace::zipf(300, 0.8, 5_000, 6);
        for (request, tick) in trace.requests().iter().zip(1..) {
            let life = if request.key_hash % 2 == 0 { 50 } else { 0 };
            memory.answers(Request { life, ..*request }, Tick(tick));
            assert_eq!(memory.eviction.counted_by_arc(), memory.entries.len());
        }
    }

    #[test]
    fn expired_entries_are_not_answered() {
        let request = Request { key_hash: 1, life: 2 };
        let trace = Trace::of_requests([request; 6]).unwrap();
        for policy in Policy::ALL {
            assert_eq!(simulate(&trace, entries(4), policy, 1).hits, 3, "{policy}");
        }
    }

    #[test]
    fn with_room_for_all_every_policy_misses_each_key_once() {
        let trace = Trace::looped(50, 1_000);
        for policy in Policy::ALL {
            let outcome = simulate(&trace, entries(50), policy, 1);
            assert_eq!(
                outcome,
                Outcome {
                    requests: 1_000,
                    hits: 950
                },
                "{policy}"
            );
            assert_eq!(simulate(&Trace::default(), entries(1), policy, 1).hit_rate(), 0.0);
        }
    }
}
