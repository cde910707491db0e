//! Shards under test.
//!
//! ```text
//! targets.rs   the keys of a run, all of one shard
//! oracle.rs    what a set of operations means, said without any of the algorithm
//! node.rs      a member: a shard, what it flushed, what it knows of others
//! cluster.rs   members, and what happens to them
//! exchange.rs  what they send each other, and what becomes of it
//! checks.rs    what has to hold after every step
//! model.rs     random runs
//! mutants.rs   ... of an algorithm with one rule broken, which have to fail
//! the others   by hand: writes, ends, joins, bounds, retired processes, values on the disk alone
//! ```

mod bounds;
mod checks;
mod cluster;
mod cold;
mod exchange;
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
