//! Shards under test.
//!
//! ```text
//! targets.rs   the keys of a run, all of one shard
//! oracle.rs    what a set of operations means, said without any of the algorithm
//! node.rs      a member: a shard, what it flushed, what it knows of others
//! cluster.rs   members, and what happens to them
//! checks.rs    what has to hold after every step
//! model.rs     random runs
//! mutants.rs   ... of an algorithm with one rule broken, which have to fail
//! ```

mod bounds;
mod checks;
mod cluster;
mod expiry;
mod hand;
mod join;
mod model;
mod mutants;
mod node;
mod oracle;
mod retire;
mod targets;
mod write;
