//! Workers and assignments: who works, and who has which task.
//!
//! A [`Worker`] is registered for as long as its session lives. Tasks are assigned to workers by name or by load, and every
//! assignment has a generation: with [`Assignment::fence_op`] in a transaction, a worker's writes are done only while its
//! assignment stands. When the session ends the worker is offline and its tasks wait, at that same revision.

mod assign;
mod call;
mod changes;
mod list;
mod op;
mod plan;
mod record;
mod register;
mod snapshot;
mod sync;

pub use assign::{Assign, TaskAssigned};
pub use changes::{AssignmentChanges, Assignments};
pub use list::{ListAssignments, ListWorkers};
pub use op::{AssignOp, PlacedTask, WorkerOp, WorkerOpReply};
pub use plan::{Plan, PlanApplied, PlanTasks, PlannedMove};
pub use record::{Assignment, WorkerRecord, WorkerState};
pub(crate) use register::capacity_op;
pub use register::{RegisterWorker, Worker};
pub use snapshot::AssignmentsSnapshot;
pub use sync::{AssignmentsSynced, SyncAssignments};
