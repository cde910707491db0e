//! Actors: the processes that wrote to the eventual tier.
//!
//! A member draws a random actor at each start and registers it; the one that it had before is over then. When every
//! member has all that an actor wrote, the actor is retired with its last number in each shard: a fact by which members
//! leave it out of their clocks.
//!
//! Invariants
//! * A member has at most one live actor.
//! * What an actor's row says only moves on: live, over, retired. No row is ever removed, so no actor comes back.

mod published;
mod row;
mod table;

#[cfg(test)]
mod tests;

pub use published::ActorTable;
pub use row::{ActorRow, ActorState, Finals, SHARDS};
pub use table::{ACTORS_MAX, Actors};
