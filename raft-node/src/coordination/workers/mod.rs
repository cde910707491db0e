//! Workers and assignments: who works, how much each may have, and who has which task.
//!
//! A worker registers under a lease, with labels and a capacity. A task is assigned to a worker by name, or to the least
//! loaded one that carries the labels it asks for. Every assignment has a generation, and with `Fence` in a transaction a
//! worker's writes are done only while its assignment stands. When a worker's lease ends it is offline, and its tasks
//! wait for another, at that same revision.
//!
//! ```text
//! worker            40 | worker                          -> lease, state, labels, capacity, how much is assigned
//! counts            41                                   -> workers, tasks
//! worker of a lease 42 | lease u64                       -> worker
//! by load           43 | 0 | load u64 | worker           -> nothing
//! by label and load 43 | 1 | label | value | load u64 | worker -> nothing
//! task              44 | task                            -> generation, worker or none, labels it asks for
//! tasks of a worker 45 | worker | task                   -> nothing
//! waiting task      46 | generation u64 | task           -> nothing
//! data of a task    47 | task                            -> data, as it was given     (in the table of items)
//! last change       48                                   -> revision
//! ```
//!
//! Invariants
//! * What is assigned to a worker is the number of rows of kind 45 under its name, and never more than its capacity.
//! * A worker stands in the rows of kind 43 if, and only if, it can take a task: it is active and has room. Loads compare
//!   as fractions do, without a float; see `load.rs`.
//! * A task is either waiting (a row of kind 46) or with a worker that is not offline (a row of kind 45).
//! * The last change is the revision at which a task last came, went, or was assigned or unassigned.
//! * A generation is the place of its operation in the history of the store: no two assignments of a task, even of a task
//!   that was completed and assigned anew, have the same one.
//!
//! Absent on purpose: a worker's heartbeats (its lease is renewed in the memory of the leader), and any decision that the
//! store takes on its own: tasks that wait are placed when somebody asks for it.

mod assign;
mod assign_pending;
mod cancel;
mod claim;
mod complete;
mod deregister;
mod drain;
mod end;
mod fence;
mod load;
mod move_task;
mod operation;
mod place;
mod plan;
mod query;
mod register;
mod rows;
mod sync;
mod tell;
mod unassign;
mod update;

#[cfg(test)]
mod tests;

pub use claim::may_claim;
pub use end::lease_ended;
pub use operation::{Destination, Placed, WorkerOperation, WorkerReply, operate};
pub use plan::{Plan, PlannedMove, plan};
pub use query::{Filter, Page, Which, assignments, list};
pub use rows::{
    Cursor, Labels, TASK_ROW, TaskRow, WORKER_ROW, WorkerRow, WorkerState, changed, find_task, find_worker, read_data,
};
pub use sync::{SyncAssignments, Synced};

/// Workers that may be registered, those that are offline included.
pub const WORKERS_MAX: u64 = 100_000;
/// Tasks that may be assigned or waiting.
pub const TASKS_MAX: u64 = 1_000_000;
/// The most that a worker may take on: when its lease ends, all its tasks change at one revision.
pub const CAPACITY_MAX: u32 = 10_000;
/// Bytes of a worker's name.
pub const WORKER_BYTES_MAX: usize = 256;
/// Bytes of a task's name.
pub const TASK_BYTES_MAX: usize = 1024;
/// Bytes of a task's data.
pub const DATA_BYTES_MAX: usize = 64 << 10;
/// Labels of a worker, and labels that a task may ask for.
pub const LABELS_MAX: usize = 16;
/// Bytes of a label, and of its value.
pub const LABEL_BYTES_MAX: usize = 128;
/// Waiting tasks that one operation may place.
pub const ASSIGN_PENDING_MAX: u32 = 128;
/// Tasks that one operation makes the assignments what is wanted of them with, and as many that it makes wait.
pub const SYNC_MAX: u32 = 10_000;
/// Workers and tasks that one operation may look at to find a place.
pub const STEPS_MAX: u32 = 10_000;
