//! Who writes: one actor for each process of a member, drawn at its start and never read back from a disk.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

/// A process of a member: a random number, drawn when it starts. A crash, a wiped disk or a restored one can therefore
/// never lead to a dot that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u64);

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An actor's place in this process's table of [`Actors`]. Means nothing anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorIndex(pub u16);

/// More actors than a process can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ACTORS_MAX} processes have written here since this one started, which is the limit: restart this member")]
pub struct TooManyActors;

/// Actors that one process can tell apart in its life.
pub const ACTORS_MAX: usize = u16::MAX as usize;

/// Every actor that this process has heard of, numbered: entries keep two bytes of an actor, not eight.
#[derive(Debug)]
pub struct Actors {
    places: RwLock<HashMap<ActorId, ActorIndex>>,
    /// By place. Every write asks for one, of whatever shard: so it takes no lock, and writes nothing that threads share.
    ids: [OnceLock<Box<Chunk>>; CHUNKS],
}

/// Ids of neighbouring places; one that was not given out is 0.
type Chunk = [AtomicU64; CHUNK_ACTORS];

const CHUNK_ACTORS: usize = 256;
const CHUNKS: usize = ACTORS_MAX.div_ceil(CHUNK_ACTORS);

impl Default for Actors {
    fn default() -> Self {
        Actors {
            places: RwLock::default(),
            ids: [const { OnceLock::new() }; CHUNKS],
        }
    }
}

impl Actors {
    /// The place of an actor, which gets one if it has none.
    pub fn index(&self, id: ActorId) -> Result<ActorIndex, TooManyActors> {
        if let Some(index) = self.find(id) {
            return Ok(index);
        }
        let mut places = self.places.write();
        if let Some(index) = places.get(&id) {
            return Ok(*index);
        }
        let index = u16::try_from(places.len()).map_err(|_| TooManyActors)?;
        if usize::from(index) >= ACTORS_MAX {
            return Err(TooManyActors);
        }
        let (chunk, within) = place_of(ActorIndex(index));
        let chunk = self.ids[chunk].get_or_init(|| Box::new([const { AtomicU64::new(0) }; CHUNK_ACTORS]));
        chunk[within].store(id.0, Ordering::Release);
        places.insert(id, ActorIndex(index));
        Ok(ActorIndex(index))
    }

    /// The place of an actor, if it has one.
    pub fn find(&self, id: ActorId) -> Option<ActorIndex> {
        self.places.read().get(&id).copied()
    }

    /// Whose place it is.
    ///
    /// # Panics
    ///
    /// If the place is far beyond those that were given out by this table.
    pub fn id(&self, index: ActorIndex) -> ActorId {
        let (chunk, within) = place_of(index);
        match self.ids[chunk].get() {
            Some(chunk) => ActorId(chunk[within].load(Ordering::Acquire)),
            None => panic!("place {} of an actor was not given out", index.0),
        }
    }
}

fn place_of(index: ActorIndex) -> (usize, usize) {
    let place = usize::from(index.0);
    (place / CHUNK_ACTORS, place % CHUNK_ACTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_keeps_its_place() {
        let actors = Actors::default();
        let first = actors.index(ActorId(7)).unwrap();
        let second = actors.index(ActorId(9)).unwrap();
        assert_ne!(first, second);
        assert_eq!(actors.index(ActorId(7)), Ok(first));
        assert_eq!(actors.id(second), ActorId(9));
        assert_eq!(actors.find(ActorId(8)), None);
    }

    #[test]
    fn there_is_a_last_place() {
        let actors = Actors::default();
        for id in 0..ACTORS_MAX {
            actors.index(ActorId(id as u64)).unwrap();
        }
        assert_eq!(actors.index(ActorId(u64::MAX)), Err(TooManyActors));
        assert!(actors.index(ActorId(3)).is_ok());
    }
}
