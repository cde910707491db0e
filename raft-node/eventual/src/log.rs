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

/// The same as it is kept: every write goes through memory that no cache holds, so an operation is as small as can be.
#[derive(Clone, Debug)]
pub enum Superseded {
    /// The first write of a key.
    Nothing,
    /// Nearly all others.
    One(Dot),
    /// What was written concurrently. A list in its place would be two words.
    #[allow(clippy::box_collection, reason = "one word instead of two")]
    Several(Box<Vec<Dot>>),
}

impl Superseded {
    /// The dots.
    pub fn dots(&self) -> &[Dot] {
        match self {
            Superseded::Nothing => &[],
            Superseded::One(dot) => std::slice::from_ref(dot),
            Superseded::Several(dots) => dots,
        }
    }
}

impl From<Removed> for Superseded {
    fn from(removed: Removed) -> Self {
        match removed[..] {
            [] => Superseded::Nothing,
            [one] => Superseded::One(one),
            _ => Superseded::Several(Box::new(removed.into_vec())),
        }
    }
}

/// What is remembered of an operation. What it wrote is found in the entry of its key, if it still stands there.
#[derive(Clone, Debug)]
pub struct Op {
    /// What it changed.
    pub key: Key,
    /// What it supersedes.
    pub removed: Superseded,
}

/// A list of operations has room for so many from the start.
const ROOM_MIN: usize = 16;

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
        if self.len >= self.len_max {
            self.forget_one();
        }
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
        // Never more room than there may be operations: then the one that comes takes the place in memory of the one that
        // went just before.
        if tail.ops.len() == tail.ops.capacity() {
            let operations = tail.ops.len();
            tail.ops
                .reserve_exact(operations.max(ROOM_MIN).min(self.len_max - operations));
        }
        tail.ops.push_back(op);
        self.len += 1;
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
            removed: Superseded::Nothing,
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
    fn an_operation_is_small_and_keeps_what_it_supersedes() {
        assert_eq!(size_of::<Op>(), 24);
        for count in 0..4 {
            let removed: Removed = (1..=count).map(|number| Dot::new(A, number)).collect();
            assert_eq!(Superseded::from(removed.clone()).dots(), &removed[..]);
        }
    }

    #[test]
    fn a_full_log_takes_no_more_room() {
        let mut log = Log::new(1_000);
        for number in 1..=10_000 {
            log.push(A, number, op("a"));
        }
        assert_eq!((log.len(), log.tails[0].ops.capacity()), (1_000, 1_000));
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
