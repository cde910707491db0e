//! All workloads at once, on a cluster to which one thing after the other is done.
//!
//! A [`Campaign`] starts voters and a witness, a learner that keeps its whole log; lets the workloads play; draws faults
//! from a deck in which each kind that was planned stands once, and that is shuffled anew whenever it is empty; and then
//! heals everything, lets the workloads read for the last time, demands that all members have the same state, takes the
//! truth from the log of the witness, and checks the journal of the run.
//!
//! A [`Report`] is a function of a journal, so that `replay` of a kept journal says what the run said. It has three
//! outcomes: passed, failed, and not counted. A run counts only if every planned kind of fault has happened, often enough
//! and with evidence, and if each kind of operation of each workload has succeeded in every minute.
//!
//! Everything random comes from the seed. The times of processes do not, so that a seed repeats the decisions of a run and
//! not the run.

mod counted;
mod export;
mod plan;
mod play;
mod report;
mod stage;
mod table;
mod watcher;

pub use export::{export_lists, export_registers};
pub use plan::Campaign;
pub use report::{Outcome, Report};
pub use watcher::{Progress, Standing};
