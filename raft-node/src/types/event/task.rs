//! What happens to assignments.

use bincode::{Decode, Encode};

/// What happens to tasks. Their labels and their data can be read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TaskEvent {
    /// A worker has it from now on.
    Assigned {
        /// Which.
        worker: String,
        /// Of the assignment.
        generation: u64,
        /// Who had it before; none if it is new or waited.
        from: Option<String>,
    },
    /// It waits from now on, or goes on waiting as something else.
    Waiting {
        /// Its generation now.
        generation: u64,
        /// Who had it before; none if it is new or waited.
        from: Option<String>,
        /// Why.
        why: TaskWait,
    },
    /// It is done, and gone.
    Completed {
        /// Who did it.
        worker: String,
        /// Of the assignment under which it was done.
        generation: u64,
    },
    /// It is gone without being done.
    Cancelled {
        /// Its generation until now.
        generation: u64,
        /// Who had it; none if it waited.
        from: Option<String>,
    },
}

/// Why a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TaskWait {
    /// Nobody can take it.
    NoWorker,
    /// It was taken from its worker.
    Unassigned,
    /// Its worker is gone: the lease has ended, or it was deregistered.
    WorkerGone,
}

impl TaskEvent {
    /// Bytes beside those of the enum itself.
    pub(super) fn bytes(&self) -> usize {
        let of = |worker: &Option<String>| worker.as_ref().map_or(0, String::len);
        match self {
            TaskEvent::Assigned { worker, from, .. } => worker.len() + of(from),
            TaskEvent::Waiting { from, .. } | TaskEvent::Cancelled { from, .. } => of(from),
            TaskEvent::Completed { worker, .. } => worker.len(),
        }
    }
}
