//! Locks that one holds at a time, with something outside of the store that they guard.
//!
//! What must hold of them is in the table of [holds](super::holds).

mod force;
mod workload;

pub use workload::Locks;
