//! Traces of requests: what to simulate.

use xxhash_rust::xxh3::xxh3_64;

use super::words::Words;

/// The longest trace: 16 bytes a request, so 320 MB.
pub const REQUESTS_MAX: usize = 20_000_000;

/// Somebody asks for a key; if it is not there, it is computed and inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Stands for the key.
    pub key_hash: u64,
    /// For how many requests the entry lives from its insertion; 0: for ever.
    pub life: u32,
}

/// A sequence of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<Request>,
}

/// A trace has too many requests to be held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trace has more than {REQUESTS_MAX} requests; give a part of it")]
pub struct TraceTooLong;

impl Trace {
    /// Of the keys that somebody asked for, in order: for example the lines of a file.
    pub fn of_keys<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, TraceTooLong> {
        let request = |key: K| Request {
            key_hash: xxh3_64(key.as_ref()),
            life: 0,
        };
        Self::of_requests(keys.into_iter().map(request))
    }

    /// Of at most [`REQUESTS_MAX`] requests, in order.
    pub fn of_requests(requests: impl IntoIterator<Item = Request>) -> Result<Self, TraceTooLong> {
        let requests: Vec<Request> = requests.into_iter().take(REQUESTS_MAX + 1).collect();
        if requests.len() > REQUESTS_MAX {
            Err(TraceTooLong)
        } else {
            Ok(Trace { requests })
        }
    }

    /// A few keys are asked for very often and most very seldom: the key of rank r as often as 1/r^`exponent` says. About
    /// 1 is usual for caches.
    pub fn zipf(keys: usize, exponent: f64, requests: usize, seed: u64) -> Self {
        let mut total = 0.0;
        let mut weight_to = |rank: usize| {
            total += (rank as f64).powf(-exponent);
            total
        };
        let weights: Vec<f64> = (1..=keys).map(&mut weight_to).collect();
        let mut words = Words::new(seed);
        Self::made(requests, |_| {
            let drawn = words.fraction() * total;
            weights.partition_point(|weight| *weight <= drawn) as u64
        })
    }

    /// Each key once.
    pub fn scan(requests: usize) -> Self {
        Self::made(requests, |number| (1 << 40) | number)
    }

    /// All of `keys`, in order, over and over.
    pub fn looped(keys: usize, requests: usize) -> Self {
        Self::made(requests, |number| (2 << 40) | (number % keys.max(1) as u64))
    }

    /// Zipf, but now and then other keys are the popular ones: `shifts` times.
    pub fn shifting(keys: usize, exponent: f64, requests: usize, shifts: usize, seed: u64) -> Self {
        let still = Self::zipf(keys, exponent, requests, seed).requests;
        let period = (requests / (shifts + 1)).max(1);
        let shifted = still.into_iter().enumerate().map(|(number, request)| Request {
            key_hash: hash(request.key_hash ^ (number / period) as u64),
            ..request
        });
        Trace {
            requests: shifted.collect(),
        }
    }

    /// Two traces at once: of every `period` requests, the last `of_other` are those of the other trace. Ends when either
    /// does.
    pub fn mixed_with(self, other: Self, of_other: usize, period: usize) -> Self {
        let mut mine = self.requests.into_iter();
        let mut others = other.requests.into_iter();
        let turns = (0..period.max(1)).cycle();
        let next = turns.map_while(|turn| {
            if turn + of_other >= period {
                others.next()
            } else {
                mine.next()
            }
        });
        Trace {
            requests: next.take(REQUESTS_MAX).collect(),
        }
    }

    /// The requests, in order.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// A trace of made-up keys, from their numbers.
    fn made(requests: usize, key: impl FnMut(u64) -> u64) -> Self {
        let numbers = 0..requests.min(REQUESTS_MAX) as u64;
        let hashes = numbers.map(key).map(hash);
        let requests = hashes.map(|key_hash| Request { key_hash, life: 0 }).collect();
        Trace { requests }
    }
}

fn hash(key: u64) -> u64 {
    xxh3_64(&key.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn counts(trace: &Trace) -> Vec<usize> {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        trace
            .requests()
            .iter()
            .for_each(|request| *counts.entry(request.key_hash).or_default() += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    }

    #[test]
    fn keys_of_one_name_are_one_key() {
        let trace = Trace::of_keys(["a", "b", "a"]).unwrap();
        assert_eq!(counts(&trace), [2, 1]);
        assert_eq!(trace.requests()[0], trace.requests()[2]);
    }

    #[test]
    fn zipf_is_as_skewed_as_it_says() {
        let counts = counts(&Trace::zipf(1_000, 1.0, 100_000, 1));
        // The sum of 1/r for r to 1,000 is 7.485.
        assert!((12_900..13_800).contains(&counts[0]), "{}", counts[0]);
        assert!((6_400..6_970).contains(&counts[1]), "{}", counts[1]);
        assert_eq!(counts.len(), 1_000);
        assert_eq!(Trace::zipf(50, 0.9, 100, 7), Trace::zipf(50, 0.9, 100, 7));
    }

    #[test]
    fn made_up_traces_have_the_keys_they_say() {
        assert_eq!(counts(&Trace::scan(10)), [1; 10]);
        assert_eq!(counts(&Trace::looped(3, 9)), [3; 3]);
        assert_eq!(Trace::zipf(0, 1.0, 5, 1).requests().len(), 5);
        let mixed = Trace::looped(1, 8).mixed_with(Trace::scan(100), 2, 4);
        assert_eq!(mixed.requests().len(), 16);
        assert_eq!(counts(&mixed), [8, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_shift_makes_another_key_the_most_popular() {
        let trace = Trace::shifting(1_000, 1.2, 20_000, 1, 4);
        let (before, after) = trace.requests().split_at(10_000);
        let most = |requests: &[Request]| {
            let mut counts: HashMap<u64, usize> = HashMap::new();
            requests
                .iter()
                .for_each(|request| *counts.entry(request.key_hash).or_default() += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0
        };
        assert_ne!(most(before), most(after));
    }

    #[test]
    fn a_trace_that_is_too_long_is_refused() {
        let request = Request { key_hash: 1, life: 0 };
        assert_eq!(Trace::of_requests(std::iter::repeat(request)), Err(TraceTooLong));
    }
}
