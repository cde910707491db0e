//! What was asked, answered and done in a run, in a file.
//!
//! A journal is a file of JSON lines, written while the run goes on:
//!
//! 1. a [`Header`]: `{"journal":1,"seed":..,"workloads":[..],..}`;
//! 2. [`Operation`]s: `{"workload":"locks","client":..,"invoked_us":..,"returned_us":..,"call":..,"answer":..}`, where
//!    `workload` comes first and `answer` is `{"done":..}`, `"not_done"` or `"unknown"`;
//! 3. [`Fault`]s: `{"fault":"kill","victims":[2],"leader_hit":..,"began_us":..,"ended_us":..,"evidence":".."}`;
//! 4. the truth, from the log of a member: `{"revision":17,"keys":[..],"events":[..]}` for each revision;
//! 5. an [`End`]: `{"end":..}`, without which a run was not finished.
//!
//! Times are microseconds of one monotonic clock, so that real-time order is exact. The verdict on a run is the verdict on
//! its file: what checks a run reads nothing else, and so a kept file gives the same verdict again.
//!
//! Invariants: an operation is written once, after its answer; calls of one client do not overlap.

pub mod as_record;
pub mod as_text;
mod collector;
mod line;
mod operation;
mod reader;
mod text;
mod truth_line;

#[cfg(test)]
mod tests;

pub use collector::{Counts, Journal};
pub use line::{End, Fault, Header};
pub use operation::{Answer, Operation};
pub use reader::JournalFile;
pub use text::Text;
