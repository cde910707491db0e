//! Measures Quorate, and etcd and Redis beside it with the same client loop.
//!
//! A run is a closed loop, unless it says otherwise: every client awaits its call before it makes the next, so throughput and
//! latency come from one experiment and no queue builds up in the generator. What a run reports is printed as one line of
//! JSON; nothing here judges a figure, and no test asserts a time. `bench/compare` starts the peers and sets the runs side by
//! side.
//!
//! [`scale`] and [`cost`] are apart: they measure the state machine, and more of what a member is made of, alone and in
//! this process.
//!
//! Deliberately absent: anything that speaks to more than the systems in [`target`].

#![allow(
    clippy::disallowed_methods,
    reason = "measuring time is what this crate is for; nothing here is replicated"
)]
#![deny(missing_docs)]

// Reads that the cache of the SDK answers.
pub mod cached;
// Command line.
pub mod cli;
// Instructions of fixed pieces of work.
pub mod cost;
// CPU time of processes.
pub mod cpu;
// Whether a disk answers anybody.
pub mod disk;
// The eventual tier.
pub mod eventual;
// How long writes stop when the leader is killed.
pub mod failover;
// Latencies and counts of one run.
pub mod figures;
// What no store gets below.
pub mod floor;
// Many keys: filling, serving again, plots.
pub mod growth;
// Keeping many leases alive.
pub mod leases;
// The closed loop.
pub mod load;
// The open loop: calls begin when it is their time.
pub mod open;
// What an operation costs the state machine when there is little or much else.
pub mod scale;
// The systems under load.
pub mod target;
// Events to watchers.
pub mod watch;
// Many watchers that nothing happens to.
pub mod watchers;
// What the clients of the closed loop do.
pub mod work;
