//! `quorate demo`: three nodes and a fleet of workers over real files, with a worker and the leader killed on the way.
//!
//! Every file is an item of the queue `demo/files`. A worker claims some under its session, counts lines, words and bytes of
//! each, and in one transaction writes `demo/results/N` and acknowledges the item. The first claims are those of a worker in
//! a process of its own, which gets SIGKILL while it holds them: when its session ends they come back to the queue. When
//! half of the files are done the leader gets SIGKILL, too; later it comes back. Whoever of the workers is first to hold
//! the lock `demo/report` writes the sum, fenced by the lock. In the end everything in the store must equal a plain count,
//! and have been written once. How far each worker is goes through the eventual tier: it is written at one node, and shown as
//! another has it.
//!
//! Invariants
//! * Both kills always happen before the last file is done, however few there are.
//! * However the demonstration ends, no process outlives it: each is killed when what owns it here is dropped, and stops by
//!   itself when this process is gone.

mod cluster;
mod count;
mod fault;
mod input;
mod live;
mod lost;
mod measure;
mod report;
mod run;
mod worker;

use cluster::Cluster;
use count::Counts;
use measure::{Leadership, WriteGap};

pub use lost::hold_files;
pub use run::{Plan, run};
