//! Semaphores, and locks that some hold together and some alone.
//!
//! What must hold of them is in the table of [holds](super::holds).

mod workload;

pub use workload::Semaphores;
