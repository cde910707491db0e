//! The name of one operation.

use crate::actor::ActorIndex;

/// The name of one operation, and of the value it wrote: the actor, and the operation's number in its shard among those of
/// that actor, from 1.
///
/// Packed: 16 bits of actor, 48 of number. At a million operations a second, one shard would use its numbers up in nine
/// years; the process is restarted before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot(u64);

/// The greatest number of an operation.
pub const NUMBER_MAX: u64 = (1 << 48) - 1;

impl Dot {
    /// # Panics
    ///
    /// If the number is beyond 2^48 - 1: whoever decodes one checks it.
    pub fn new(actor: ActorIndex, number: u64) -> Self {
        assert!(number <= NUMBER_MAX, "the number of an operation has 48 bits");
        Dot(u64::from(actor.0) << 48 | number)
    }

    /// Whose.
    pub fn actor(self) -> ActorIndex {
        ActorIndex((self.0 >> 48) as u16)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0 & NUMBER_MAX
    }
}

impl std::fmt::Debug for Dot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.actor().0, self.number())
    }
}
