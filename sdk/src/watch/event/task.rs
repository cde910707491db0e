//! What happened to an assignment.

use quorate_proto::v1;
use quorate_proto::v1::task_event::What;

/// What happened to an assignment. Its labels and its data are not here: [`Client::task`](crate::Client::task) reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskEvent {
    /// The name of the task.
    pub task: String,
    /// The generation of the assignment; of one that was cancelled, until now.
    pub generation: u64,
    /// Who had it before, if anybody; of one that is done, who did it.
    pub from: Option<String>,
    /// What happened.
    pub kind: TaskEventKind,
}

/// What happened to an assignment. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskEventKind {
    /// A worker has it from now on.
    #[non_exhaustive]
    Assigned {
        /// Which.
        worker: String,
    },
    /// It waits from now on, or goes on waiting as something else.
    #[non_exhaustive]
    Waiting {
        /// Why.
        why: TaskWait,
    },
    /// It is done, and gone.
    Completed,
    /// It is gone without being done.
    Cancelled,
}

/// Why a task waits. New reasons may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskWait {
    /// Nobody can take it.
    NoWorker,
    /// It was taken from its worker.
    Unassigned,
    /// Its worker is gone: the lease has ended, or it was deregistered.
    WorkerGone,
    /// For a reason that this version does not know.
    Unknown,
}

impl TaskEvent {
    /// None for something that this version does not know.
    pub(super) fn from_wire(event: v1::TaskEvent) -> Option<Self> {
        let (generation, from, kind) = match event.what? {
            What::Assigned(what) => {
                let worker = what.worker;
                (what.generation, what.from, TaskEventKind::Assigned { worker })
            }
            What::Waiting(what) => {
                let why = TaskWait::from_wire(what.why());
                (what.generation, what.from, TaskEventKind::Waiting { why })
            }
            What::Completed(what) => (what.generation, what.worker, TaskEventKind::Completed),
            What::Cancelled(what) => (what.generation, what.from, TaskEventKind::Cancelled),
        };
        Some(Self {
            task: event.task,
            generation,
            from: (!from.is_empty()).then_some(from),
            kind,
        })
    }
}

impl TaskWait {
    fn from_wire(why: v1::TaskWaitReason) -> Self {
        match why {
            v1::TaskWaitReason::NoWorker => Self::NoWorker,
            v1::TaskWaitReason::Unassigned => Self::Unassigned,
            v1::TaskWaitReason::WorkerGone => Self::WorkerGone,
            v1::TaskWaitReason::Unspecified => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_a_task_before_is_told_if_anybody_had_it() {
        let told = |what: What| {
            let event = v1::TaskEvent {
                task: "t".to_owned(),
                what: Some(what),
            };
            TaskEvent::from_wire(event).unwrap()
        };
        let assigned = told(What::Assigned(v1::TaskAssignedEvent {
            worker: "b".to_owned(),
            generation: 7,
            from: "a".to_owned(),
        }));
        assert_eq!((assigned.generation, assigned.from.as_deref()), (7, Some("a")));
        let waiting = told(What::Waiting(v1::TaskWaitingEvent {
            generation: 8,
            from: String::new(),
            why: v1::TaskWaitReason::NoWorker.into(),
        }));
        let why = TaskWait::NoWorker;
        assert_eq!((waiting.from, waiting.kind), (None, TaskEventKind::Waiting { why }));
    }
}
