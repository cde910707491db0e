//! Why an operation on workers or assignments was refused.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use super::{LeaseId, Revision};

/// Why an operation on workers or assignments changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum WorkerRefusal {
    /// No such worker.
    #[error("worker {worker:?} is not registered")]
    UnknownWorker {
        /// The name that was asked for.
        worker: String,
    },
    /// Somebody else has the name.
    #[error("worker {worker:?} is registered under lease {lease}, which lives: end that lease or choose another name")]
    Exists {
        /// The name.
        worker: String,
        /// Whose it is.
        lease: LeaseId,
    },
    /// The lease registers another worker.
    #[error("lease {lease} registers worker {worker:?}, and a lease registers one worker: use another lease")]
    LeaseInUse {
        /// The lease.
        lease: LeaseId,
        /// What it registers.
        worker: String,
    },
    /// Too many workers are registered.
    #[error("{workers_max} workers are registered, which is the limit: deregister those that are offline")]
    TooManyWorkers {
        /// The limit.
        workers_max: u64,
    },
    /// The registration is over, or somebody else's.
    #[error("worker {worker:?} is not registered under lease {lease}: the registration is over, or of another lease")]
    NotRegistered {
        /// The name.
        worker: String,
        /// The lease that was given.
        lease: LeaseId,
    },
    /// Its lease has ended.
    #[error("worker {worker:?} is offline: its lease has ended and it has not registered again")]
    Offline {
        /// Which.
        worker: String,
    },
    /// It takes nothing new.
    #[error("worker {worker:?} is draining: it takes nothing new")]
    Draining {
        /// Which.
        worker: String,
    },
    /// More tasks than it says it can do.
    #[error("worker {worker:?} would have {tasks} tasks; its capacity is {capacity}")]
    NoCapacity {
        /// Which.
        worker: String,
        /// What it would have.
        tasks: u32,
        /// What it may have.
        capacity: u32,
    },
    /// It lacks labels that the task asks for.
    #[error(
        "worker {worker:?} does not carry the labels that the task asks for: {}",
        text_of(labels)
    )]
    Unsuitable {
        /// Which.
        worker: String,
        /// What the task asks for.
        labels: BTreeMap<String, String>,
    },
    /// Nobody has room.
    #[error(
        "no active worker with room for task {task:?} carries the labels that it asks for: {}",
        text_of(labels)
    )]
    NoWorker {
        /// The task.
        task: String,
        /// What it asks for.
        labels: BTreeMap<String, String>,
    },
    /// No such task.
    #[error("there is no task {task:?}: it was completed or cancelled, or never was assigned")]
    UnknownTask {
        /// The name that was asked for.
        task: String,
    },
    /// Too many tasks.
    #[error("there are {tasks_max} tasks, which is the limit: complete or cancel some")]
    TooManyTasks {
        /// The limit.
        tasks_max: u64,
    },
    /// It is assigned, and the request did not say which assignment it is to replace.
    #[error("task {task:?} is assigned to worker {worker:?}: to assign it anew, expect its generation {generation}")]
    Assigned {
        /// The task.
        task: String,
        /// Who has it.
        worker: String,
        /// Of that assignment.
        generation: u64,
    },
    /// It has changed since the request was made.
    #[error("task {task:?} is at generation {found}, not {expected} (0: there is no such task): it has changed since")]
    Changed {
        /// The task.
        task: String,
        /// What the request expected; 0: no such task.
        expected: u64,
        /// What it is; 0: no such task.
        found: u64,
    },
    /// It is not, or no longer, where the plan took it from.
    #[error("task {task:?} is not on worker {from:?} at generation {generation}: it has changed since")]
    NotThere {
        /// The task.
        task: String,
        /// Where it should be.
        from: String,
        /// Since when.
        generation: u64,
    },
    /// The assignment is over.
    #[error("task {task:?} is not assigned to worker {worker:?} at generation {generation}: that assignment is over")]
    Stale {
        /// The task.
        task: String,
        /// Who had it.
        worker: String,
        /// The generation that worker has.
        generation: u64,
    },
    /// Some assignment has changed since the request was made.
    #[error(
        "an assignment last changed at revision {found}; the request was made from what they were at {expected} (0: there \
         was no task): read them again"
    )]
    AssignmentsChanged {
        /// When they were read; 0: there was no task.
        expected: Revision,
        /// When one last changed.
        found: Revision,
    },
    /// Too many tasks would have to wait at a time.
    #[error(
        "more than {tasks_max} tasks that are not named would have to wait, which is the limit: name more of them, or change \
         the named workers only"
    )]
    TooManyToWait {
        /// The limit.
        tasks_max: u32,
    },
}

/// Labels as people write them.
fn text_of(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return "none".to_owned();
    }
    let pairs: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    pairs.join(", ")
}
