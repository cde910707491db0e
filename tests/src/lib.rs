//! Real clusters under fault, and proof of what they answered.
//!
//! Processes are started, killed, paused and cut off from one another; every operation is recorded; the record is
//! checked against the sequential model by revision. The modules stand in the order in which a scenario uses them.
//!
//! Invariants: a process is signalled by its process id only, and everything that was started is ended when its owner
//! is dropped. A verdict of "unknown" is a failure. Nothing waits a fixed time for something to have happened: every
//! wait has a condition and a deadline that names it.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness measures real time and draws its own seeds; nothing here is replicated"
)]
#![deny(missing_docs)]

// Reads back what the store says happened.
pub mod audit;
// What caches answered, held against the log.
pub mod cache_check;
// All workloads at once, under every fault, with a verdict.
pub mod campaign;
// The witness check.
pub mod checker;
// Real server processes on loopback.
pub mod cluster;
// A collector of spans.
pub mod collector;
// Circles of dependencies between transactions over lists.
pub mod cycles;
// Disks that lose what was not synced.
pub mod disk;
// What was done to the eventual tier, held against what its members have.
pub mod eventual_check;
// Histories in files that other checkers read.
pub mod export;
// Every operation with its times and its answer.
pub mod history;
// What was asked, answered and done in a run, in a file.
pub mod journal;
// An order for the calls of a key, without trusting revisions.
pub mod linearizable;
// What happened, from the log of a member.
pub mod log_replay;
// The sequential model.
pub mod model;
// What is done to members, with proof that it happened.
pub mod nemesis;
// A TCP relay that can lose replies.
pub mod relay;
// Faults and workload together, with a verdict.
pub mod scenarios;
// A relay of caches that can tell lies.
pub mod cache_relay;
// How a check ended.
pub mod verdict;
// Conditions with deadlines.
pub mod wait;
// What watchers were told, held against the log.
pub mod watch_check;
// A relay of watches that can tell lies.
pub mod watch_relay;
// Watchers that record what they are told.
pub mod watchers;
// Clients that write, compare and read while faults happen.
pub mod workload;
// Kinds of work, each with the check of what its clients were told.
pub mod workloads;

mod error;

pub use error::HarnessError;
