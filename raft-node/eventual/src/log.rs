//! The operations that a shard still remembers, so that a peer which lacks a few gets just those.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::actor::ActorIndex;
use crate::dot::Dot;
use crate::key::Key;

/// The dots that an operation supersedes. Hardly ever more than one.
pub type Removed = SmallVec<[Dot; 2]>;

/// Bytes that an operation takes in the log.
pub const OPERATION_BYTES: u64 = size_of::<Op>() as u64;

/// What is remembered of an operation. What it wrote is found in the entry of its key, if it still stands there.
#[derive(Clone, Debug)]
pub struct Op {
    /// What it changed.
    pub key: Key,
    /// What it supersedes.
    pub removed: Removed,
}

/// Operations of one actor, without gaps.
#[derive(Clone, Debug)]
struct Tail {
    actor: ActorIndex,
    /// The number of the operation before the first that is remembered.
    base: u64,
    ops: VecDeque<Op>,
}

/// Operations by actor. Bounded: the oldest are forgotten, and whoever lacks them gets the shard's state instead.
#[derive(Clone, Debug)]
pub struct Log {
    tails: Vec<Tail>,
    len: usize,
    len_max: usize,
}

impl Log {
    /// An empty log of at most `len_max` operations.
    pub fn new(len_max: usize) -> Self {
        Log {
            tails: Vec::new(),
            len: 0,
            len_max: len_max.max(1),
        }
    }

    /// Operations that are remembered.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The next operation of `actor`, whose number is `number`.
    pub fn push(&mut self, actor: ActorIndex, number: u64, op: Op) {
        let tail = match self.tails.iter_mut().position(|tail| tail.actor == actor) {
            Some(place) => &mut self.tails[place],
            None => {
                self.tails.push(Tail {
                    actor,
                    base: number - 1,
                    ops: VecDeque::new(),
                });
                let last = self.tails.len() - 1;
                &mut self.tails[last]
            }
        };
        debug_assert_eq!(tail.base + tail.ops.len() as u64 + 1, number, "operations have no gaps");
        tail.ops.push_back(op);
        self.len += 1;
        if self.len > self.len_max {
            self.forget_one();
        }
    }

    /// Forgets the oldest operation of the actor of whom there are most.
    fn forget_one(&mut self) {
        if let Some(tail) = self.tails.iter_mut().max_by_key(|tail| tail.ops.len())
            && tail.ops.pop_front().is_some()
        {
            tail.base += 1;
            self.len -= 1;
        }
    }

    /// The operations of `actor` after number `after`, with their numbers; none if the first of them is forgotten.
    pub fn after(&self, actor: ActorIndex, after: u64) -> Option<impl Iterator<Item = (u64, &Op)>> {
        let tail = self.tails.iter().find(|tail| tail.actor == actor)?;
        let skip = usize::try_from(after.checked_sub(tail.base)?).ok()?;
        Some((after + 1..).zip(tail.ops.iter().skip(skip)))
    }

    /// Every operation of `actor` after number `after` is remembered.
    pub fn reaches(&self, actor: ActorIndex, after: u64) -> bool {
        self.tails.iter().any(|tail| tail.actor == actor && tail.base <= after)
    }

    /// The actor's operations up to `number` came in another way: none of them is remembered.
    pub fn restart(&mut self, actor: ActorIndex, number: u64) {
        if let Some(place) = self.tails.iter().position(|tail| tail.actor == actor) {
            self.len -= self.tails[place].ops.len();
            self.tails.swap_remove(place);
        }
        self.tails.push(Tail {
            actor,
            base: number,
            ops: VecDeque::new(),
        });
    }

    /// The actor writes no more, and everybody has what it wrote.
    pub fn drop_actor(&mut self, actor: ActorIndex) {
        if let Some(place) = self.tails.iter().position(|tail| tail.actor == actor) {
            self.len -= self.tails[place].ops.len();
            self.tails.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Place, Space};

    const A: ActorIndex = ActorIndex(1);
    const B: ActorIndex = ActorIndex(2);

    fn op(name: &str) -> Op {
        Op {
            key: Key::keep(&Place::of(Address {
                domain: 1,
                space: Space::Register,
                name: name.as_bytes(),
                element: None,
            })),
            removed: Removed::new(),
        }
    }

    fn numbers(log: &Log, actor: ActorIndex, after: u64) -> Option<Vec<u64>> {
        Some(log.after(actor, after)?.map(|(number, _)| number).collect())
    }

    #[test]
    fn it_gives_what_comes_after_a_number() {
        let mut log = Log::new(10);
        for number in 1..=4 {
            log.push(A, number, op("a"));
        }
        assert_eq!(numbers(&log, A, 2), Some(vec![3, 4]));
        assert_eq!(numbers(&log, A, 4), Some(vec![]));
        assert_eq!(numbers(&log, B, 0), None);
    }

    #[test]
    fn a_full_log_forgets_the_oldest_of_the_most_active() {
        let mut log = Log::new(4);
        for number in 1..=3 {
            log.push(A, number, op("a"));
        }
        log.push(B, 1, op("b"));
        log.push(B, 2, op("b"));
        assert_eq!(log.len(), 4);
        assert_eq!(numbers(&log, A, 0), None);
        assert_eq!(numbers(&log, A, 1), Some(vec![2, 3]));
        assert_eq!(numbers(&log, B, 0), Some(vec![1, 2]));
    }

    #[test]
    fn what_came_as_state_is_not_remembered() {
        let mut log = Log::new(10);
        log.push(A, 1, op("a"));
        log.restart(A, 7);
        assert!(!log.reaches(A, 6));
        assert!(log.reaches(A, 7));
        log.push(A, 8, op("a"));
        assert_eq!(numbers(&log, A, 7), Some(vec![8]));
        assert_eq!(log.len(), 1);
    }
}
