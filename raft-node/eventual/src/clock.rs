//! What a shard has: for each actor, how many of its operations, without gaps.

use smallvec::SmallVec;

use crate::actor::{ActorIndex, Actors};
use crate::dot::Dot;

/// Actor -> number of its last operation that was applied, and so of all before it. Actors that are retired are not in it:
/// every operation of theirs is covered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// By actor.
    numbers: SmallVec<[(ActorIndex, u64); 4]>,
    /// By actor: who is retired, and the number of the last operation there is.
    retired: Vec<(ActorIndex, u64)>,
}

impl Clock {
    /// How far it has the actor's operations. Of a retired one, up to the last.
    pub fn get(&self, actor: ActorIndex) -> u64 {
        match self.numbers.binary_search_by_key(&actor, |(actor, _)| *actor) {
            Ok(place) => self.numbers[place].1,
            Err(_) => self.last_of_retired(actor).unwrap_or(0),
        }
    }

    /// The operation was applied.
    pub fn covers(&self, dot: Dot) -> bool {
        match self.numbers.binary_search_by_key(&dot.actor(), |(actor, _)| *actor) {
            Ok(place) => self.numbers[place].1 >= dot.number(),
            Err(_) => self.last_of_retired(dot.actor()).is_some(),
        }
    }

    /// Goes forward to `number`; never back.
    pub fn advance(&mut self, actor: ActorIndex, number: u64) {
        match self.numbers.binary_search_by_key(&actor, |(actor, _)| *actor) {
            Ok(place) => self.numbers[place].1 = self.numbers[place].1.max(number),
            Err(place) => {
                if self.last_of_retired(actor).is_none() && number > 0 {
                    self.numbers.insert(place, (actor, number));
                }
            }
        }
    }

    /// Takes the greater of both, for each actor.
    pub fn merge(&mut self, other: &Clock) {
        for (actor, last) in &other.retired {
            self.advance(*actor, *last);
            self.retire(*actor, *last);
        }
        for (actor, number) in &other.numbers {
            self.advance(*actor, *number);
        }
    }

    /// It is agreed that `last` is the actor's last operation. True if every one of them is here, so that the actor need
    /// not be listed any more; false if some are missing, and it stays. It stays also if there are more here than were
    /// agreed on: then this is not the history that the others have, and it has to show.
    pub fn retire(&mut self, actor: ActorIndex, last: u64) -> bool {
        if self.last_of_retired(actor).is_some() {
            return true;
        }
        let place = self.numbers.binary_search_by_key(&actor, |(actor, _)| *actor);
        let has = place.map_or(0, |place| self.numbers[place].1);
        if has != last {
            return false;
        }
        if let Ok(place) = place {
            self.numbers.remove(place);
        }
        let place = self.retired.partition_point(|(other, _)| *other < actor);
        self.retired.insert(place, (actor, last));
        true
    }

    /// Everything that `other` has is here.
    pub fn includes(&self, other: &Clock) -> bool {
        other
            .numbers
            .iter()
            .all(|(actor, number)| self.get(*actor) >= *number || self.is_retired(*actor))
            && other
                .retired
                .iter()
                .all(|(actor, last)| self.is_retired(*actor) || self.get(*actor) >= *last)
    }

    /// The actor's operations are all here, and it is not listed any more.
    pub fn is_retired(&self, actor: ActorIndex) -> bool {
        self.last_of_retired(actor).is_some()
    }

    fn last_of_retired(&self, actor: ActorIndex) -> Option<u64> {
        let place = self.retired.binary_search_by_key(&actor, |(actor, _)| *actor).ok()?;
        Some(self.retired[place].1)
    }

    /// The actors that are listed, each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (ActorIndex, u64)> {
        self.numbers.iter().copied()
    }

    /// The actors that are retired, each with the number of its last operation.
    pub fn retired(&self) -> impl Iterator<Item = (ActorIndex, u64)> {
        self.retired.iter().copied()
    }

    /// Every actor, whether listed or retired, with the number of its last operation here: what a member tells others.
    pub fn all(&self) -> impl Iterator<Item = (ActorIndex, u64)> {
        let with_some = self.retired.iter().filter(|(_, last)| *last > 0);
        self.numbers.iter().chain(with_some).copied()
    }

    /// The same at every member that has the same operations, whether it lists an actor or has retired it. (A member that
    /// lost its disk has none of a retired actor's, and must not look as if it had them.)
    pub fn hash(&self, actors: &Actors) -> u64 {
        self.all().fold(0, |hash, (actor, number)| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&actors.id(actor).0.to_le_bytes());
            bytes[8..].copy_from_slice(&number.to_le_bytes());
            hash ^ xxhash_rust::xxh3::xxh3_64(&bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ActorIndex = ActorIndex(1);
    const B: ActorIndex = ActorIndex(2);

    #[test]
    fn it_covers_what_is_at_or_below_its_number() {
        let mut clock = Clock::default();
        clock.advance(A, 3);
        assert!(clock.covers(Dot::new(A, 3)));
        assert!(!clock.covers(Dot::new(A, 4)));
        assert!(!clock.covers(Dot::new(B, 1)));
        clock.advance(A, 2);
        assert_eq!(clock.get(A), 3);
    }

    #[test]
    fn a_retired_actor_is_covered_and_not_listed() {
        let mut clock = Clock::default();
        clock.advance(A, 3);
        assert!(!clock.retire(A, 4), "an operation is missing");
        assert!(!clock.retire(A, 2), "there is one that nobody else has");
        clock.advance(A, 4);
        assert!(clock.retire(A, 4));
        assert_eq!(clock.iter().count(), 0);
        assert!(clock.covers(Dot::new(A, 4)));
        clock.advance(A, 9);
        assert_eq!(clock.iter().count(), 0, "it does not come back");
        assert_eq!(clock.get(A), 4);
    }

    #[test]
    fn one_that_lists_an_actor_and_one_that_retired_it_include_each_other() {
        let mut lists = Clock::default();
        lists.advance(A, 4);
        lists.advance(B, 1);
        let mut retired = lists.clone();
        assert!(retired.retire(A, 4));
        assert!(lists.includes(&retired) && retired.includes(&lists));
        lists.advance(B, 2);
        assert!(!retired.includes(&lists));
        let mut merged = lists.clone();
        merged.merge(&retired);
        assert!(merged.is_retired(A));
        assert_eq!(merged.get(B), 2);
    }

    #[test]
    fn the_hash_does_not_depend_on_places() {
        let (here, there) = (Actors::default(), Actors::default());
        there.index(crate::ActorId(5)).unwrap();
        let mut one = Clock::default();
        let mut other = Clock::default();
        for (id, number) in [(1, 10), (2, 20)] {
            one.advance(here.index(crate::ActorId(id)).unwrap(), number);
            other.advance(there.index(crate::ActorId(id)).unwrap(), number);
        }
        assert_eq!(one.hash(&here), other.hash(&there));
        let first = there.index(crate::ActorId(1)).unwrap();
        assert!(other.retire(first, 10));
        assert_eq!(
            one.hash(&here),
            other.hash(&there),
            "retired or listed, the operations are there"
        );
        let mut lacks = Clock::default();
        lacks.advance(here.index(crate::ActorId(2)).unwrap(), 20);
        assert_ne!(
            lacks.hash(&here),
            other.hash(&there),
            "those of a retired actor are missing"
        );
        one.advance(here.index(crate::ActorId(1)).unwrap(), 11);
        assert_ne!(one.hash(&here), other.hash(&there));
    }
}
