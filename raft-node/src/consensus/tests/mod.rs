//! Consensus over our own stores, in one process: real log store, real state machine, engines that can lose what was
//! not synced, and a network of function calls that can be cut.

mod in_process;
mod leader_restore;
mod stalling_disk;
mod suite;

pub(crate) use in_process::memory_engines;
