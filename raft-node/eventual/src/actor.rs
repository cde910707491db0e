//! Who writes: one actor for each process of a member, drawn at its start and never read back from a disk.

use std::collections::HashMap;
use std::fmt;

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
#[derive(Debug, Default)]
pub struct Actors {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    ids: Vec<ActorId>,
    places: HashMap<ActorId, ActorIndex>,
}

impl Actors {
    /// The place of an actor, which gets one if it has none.
    pub fn index(&self, id: ActorId) -> Result<ActorIndex, TooManyActors> {
        if let Some(index) = self.table.read().places.get(&id) {
            return Ok(*index);
        }
        let mut table = self.table.write();
        if let Some(index) = table.places.get(&id) {
            return Ok(*index);
        }
        let index = u16::try_from(table.ids.len()).map_err(|_| TooManyActors)?;
        if usize::from(index) >= ACTORS_MAX {
            return Err(TooManyActors);
        }
        table.ids.push(id);
        table.places.insert(id, ActorIndex(index));
        Ok(ActorIndex(index))
    }

    /// The place of an actor, if it has one.
    pub fn find(&self, id: ActorId) -> Option<ActorIndex> {
        self.table.read().places.get(&id).copied()
    }

    /// Whose place it is.
    ///
    /// # Panics
    ///
    /// If the place was not given out by this table.
    pub fn id(&self, index: ActorIndex) -> ActorId {
        self.table.read().ids[usize::from(index.0)]
    }
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
