//! The eventual tier's replicated object: shards of multi-value entries with dotted clocks.
//!
//! This crate is the algorithm and nothing else: no disk, no network, no clock and no randomness of its own. What it
//! needs of either is handed in, so that the same code runs in a member, in a model check and in a simulator. How it
//! works, and why it converges, is in `ALGORITHM.md`.

#![deny(missing_docs)]

// Numbers and byte strings.
mod wire;

// Who writes, and the names of operations.
mod actor;
mod clock;
mod dot;
mod hlc;

// What is written: addresses, values, what they stand for.
mod context;
mod entry;
mod key;
mod kind;

// The replicated object, and what members send each other about it.
mod counts;
pub mod frame;
mod log;
pub mod row;
mod shard;
mod store;

// What a client has seen.
mod token;

// Known bugs, for tests of the tests.
pub mod canary;

// How concurrent values become one.
pub mod resolve;

// Which entries go first when memory is short.
pub mod policy;

pub use actor::{ActorId, ActorIndex, Actors, TooManyActors};
pub use clock::Clock;
pub use context::{Context, ForeignContext};
pub use counts::{AllCounts, Counts, DomainCounts, Held as HeldOfDomain};
pub use dot::Dot;
pub use entry::{ENTRY_OVERHEAD_BYTES, Life, Sibling, Value};
pub use hlc::Hlc;
pub use key::{Address, Key, Place};
pub use kind::{Space, Strategy};
pub use log::OPERATION_BYTES as LOG_OPERATION_BYTES;
pub use shard::{
    Action, Applied, Cold, Dropping, Fetched, Gap, Held, Moment, Refused, SHARDS, SHARDS_PER_SET, SIBLINGS_MAX, Shard,
    ShardLimits, ShardNumber, Siblings, Unflushed, Unseen, UnseenKey, Write, Written,
};
pub use store::Store;
pub use token::{ForeignToken, TOKEN_BYTES_MAX, TOKEN_BYTES_TAKEN_MAX, Token};
pub use wire::Damaged;
