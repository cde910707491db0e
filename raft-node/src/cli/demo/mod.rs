//! `quorate demo`: three nodes and a fleet of workers over real files, with the leader killed half-way.
//!
//! Every file is a task, `demo/tasks/N`. A worker claims one by compare-and-swap, counts its lines, words and bytes, and
//! writes `demo/results/N` in a transaction that holds only while the claim does. When half of the files are done the
//! leader is killed with SIGKILL; later it comes back. In the end the results in the store must equal a plain count.
//!
//! Invariants
//! * The kill always happens before the last file is done, however few there are.
//! * However the demonstration ends, no node outlives it: each is killed when [`Cluster`] is dropped, and stops by
//!   itself when this process is gone.
//!
//! Deliberately absent: giving a vanished worker's claim to another.

mod cluster;
mod count;
mod fault;
mod input;
mod measure;
mod report;
mod run;
mod worker;

use cluster::Cluster;
use count::Counts;
use measure::{Leadership, WriteGap};

pub use run::{Plan, run};
