//! What workers and planners do, and what they are told.

use serde::{Deserialize, Serialize};

use crate::journal::Operation;
use crate::workloads::leases;

/// A task that a worker has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: String,
    /// Who has it.
    pub worker: String,
    /// By which assignment.
    pub generation: u64,
}

/// A call about workers and tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// About the lease that a worker is registered under.
    Lease(leases::Call),
    /// A worker is there from now on.
    Register {
        /// Its name.
        worker: String,
        /// For as long as this lives.
        lease: u64,
        /// Tasks at a time.
        capacity: u32,
    },
    /// A worker takes nothing new, or takes tasks again.
    Drain {
        /// Its name.
        worker: String,
        /// Which of the two.
        draining: bool,
    },
    /// A task is to be done.
    Assign {
        /// The task.
        task: String,
        /// By whom; none: by the least loaded, or it waits.
        worker: Option<String>,
    },
    /// Tasks that wait are given to workers.
    AssignPending,
    /// A task is taken from whoever has it.
    Unassign {
        /// The task.
        task: String,
    },
    /// A task is to be done no more.
    Cancel {
        /// The task.
        task: String,
    },
    /// What a worker has.
    List {
        /// Its name.
        worker: String,
    },
    /// A key of the store, in one transaction with the fence of the assignment.
    Put {
        /// By whom.
        assignment: Assignment,
    },
    /// A task is done.
    Complete {
        /// By whom.
        assignment: Assignment,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Of a call about a lease.
    Lease(leases::Done),
    /// It is registered.
    Registered {
        /// Since this revision.
        revision: u64,
    },
    /// It drains, or drains no more.
    Drained,
    /// The task is there.
    Assigned {
        /// Who has it; none: it waits.
        worker: Option<String>,
        /// Of this assignment.
        generation: u64,
        /// The store was at this revision then.
        revision: u64,
    },
    /// These were given to workers.
    Placed {
        /// Those.
        assignments: Vec<Assignment>,
    },
    /// It waits.
    Unassigned {
        /// With this generation.
        generation: u64,
    },
    /// It is gone.
    Ended {
        /// Since this revision.
        revision: u64,
    },
    /// These are what the worker has.
    Listed {
        /// Those.
        assignments: Vec<Assignment>,
    },
    /// The key was written.
    Put {
        /// At this revision.
        revision: u64,
    },
    /// The assignment is over, or there is none: the call did nothing.
    Fenced,
    /// The call cannot be done as things are: it did nothing.
    Refused,
}

/// A call about workers and tasks, and its answer.
pub type AssignmentOperation = Operation<Call, Done>;

impl Call {
    /// For the demand that every kind succeeds.
    pub fn kind(&self) -> &'static str {
        match self {
            Call::Lease(_) => "lease",
            Call::Register { .. } => "register",
            Call::Drain { .. } => "drain",
            Call::Assign { .. } => "assign",
            Call::AssignPending => "assign pending",
            Call::Unassign { .. } => "unassign",
            Call::Cancel { .. } => "cancel",
            Call::List { .. } => "list",
            Call::Put { .. } => "put",
            Call::Complete { .. } => "complete",
        }
    }
}

impl Done {
    /// A revision that was there when it was answered, and whether it was made by the call.
    pub fn revision(&self) -> Option<(u64, bool)> {
        match self {
            Done::Lease(done) => Some((done.revision()?, true)),
            Done::Put { revision } | Done::Ended { revision } => Some((*revision, true)),
            // It may have been so before.
            Done::Registered { revision } | Done::Assigned { revision, .. } => Some((*revision, false)),
            _ => None,
        }
    }
}
