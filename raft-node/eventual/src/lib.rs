//! The eventual tier's replicated object: shards of multi-value entries with dotted clocks.
//!
//! This crate is the algorithm and nothing else: no disk, no network, no clock and no randomness of its own. What it
//! needs of either is handed in, so that the same code runs in a member, in a model check and in a simulator. How it
//! works, and why it converges, is in `ALGORITHM.md`.

#![deny(missing_docs)]

// What happened when: hybrid logical clocks.
mod hlc;

// What a key stands for, and how concurrent values of it become one.
mod kind;
pub mod resolve;

// Which entries go first when memory is short.
pub mod policy;

pub use hlc::Hlc;
pub use kind::{Space, Strategy};
