//! Keys that were evicted lately: their hashes, nothing else.

use std::collections::VecDeque;

use hashbrown::HashTable;

/// At most this many are remembered in one list, which takes some 20 bytes for each.
pub(super) const GHOSTS_MAX: usize = 8_192;

/// Evicted keys in the order in which they went, the oldest of them forgotten first. 32 bits of a hash are kept: one in
/// 2^32 / [`GHOSTS_MAX`] new keys is taken for one of them, which costs nothing but a little precision.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    /// Including those that have come back since, until it is their turn.
    ring: VecDeque<u32>,
    /// The number of the ring's first.
    first: u32,
    /// Hash, and its latest number in the ring.
    index: HashTable<(u32, u32)>,
}

impl Ghosts {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Remembers a key, and forgets the oldest while there are more than `limit`.
    pub(super) fn push(&mut self, key_hash: u64, limit: usize) {
        let hash = shortened(key_hash);
        let number = self.first.wrapping_add(self.ring.len() as u32);
        self.ring.push_back(hash);
        match self.index.find_mut(spread(hash), |ghost| ghost.0 == hash) {
            Some(ghost) => ghost.1 = number,
            None => {
                self.index
                    .insert_unique(spread(hash), (hash, number), |ghost| spread(ghost.0));
            }
        }
        while self.ring.len() > limit.min(GHOSTS_MAX) {
            self.forget_oldest();
        }
    }

    /// Takes a key out; says whether it was there.
    pub(super) fn take(&mut self, key_hash: u64) -> bool {
        let hash = shortened(key_hash);
        match self.index.find_entry(spread(hash), |ghost| ghost.0 == hash) {
            Ok(found) => {
                found.remove();
                true
            }
            Err(_) => false,
        }
    }

    fn forget_oldest(&mut self) {
        let Some(hash) = self.ring.pop_front() else {
            return;
        };
        let number = self.first;
        self.first = number.wrapping_add(1);
        // If it came back and went again in the meantime, its place is further behind.
        if let Ok(found) = self.index.find_entry(spread(hash), |ghost| *ghost == (hash, number)) {
            found.remove();
        }
    }
}

fn shortened(key_hash: u64) -> u32 {
    (key_hash ^ key_hash >> 32) as u32
}

/// The table wants its bits spread over the word.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut ghosts = Ghosts::default();
        (1..=5).for_each(|key| ghosts.push(key, 3));
        assert_eq!(ghosts.len(), 3);
        assert!(!ghosts.take(2));
        assert!(ghosts.take(3) && ghosts.take(5) && ghosts.take(4));
        assert!(!ghosts.take(4), "it was taken");
    }

    #[test]
    fn a_key_that_went_twice_counts_from_the_second_time() {
        let mut ghosts = Ghosts::default();
        ghosts.push(1, 3);
        assert!(ghosts.take(1));
        ghosts.push(2, 3);
        ghosts.push(1, 3);
        ghosts.push(3, 3);
        assert!(ghosts.take(1), "its first place was forgotten, its second was not");
        (1..=2).for_each(|key| ghosts.push(key, 3));
        ghosts.push(1, 3);
        ghosts.push(4, 3);
        assert!(ghosts.take(1), "nor if nobody took it in between");
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let mut ghosts = Ghosts::default();
        for key in 0..(3 * GHOSTS_MAX as u64) {
            ghosts.push(key, usize::MAX);
            if key % 3 == 0 {
                ghosts.take(key / 2);
            }
            assert!(ghosts.ring.len() <= GHOSTS_MAX && ghosts.len() <= GHOSTS_MAX);
        }
        ghosts.push(7, 10);
        assert!(ghosts.ring.len() <= 10, "a limit that fell holds at once");
        ghosts.push(8, 0);
        assert_eq!((ghosts.ring.len(), ghosts.len()), (0, 0));
    }
}
