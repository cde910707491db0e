//! Events of assignments.

use quorate_proto::v1::{
    TaskAssignedEvent, TaskCancelledEvent, TaskCompletedEvent, TaskWaitReason, TaskWaitingEvent, task_event::What,
};

use crate::types::{TaskEvent, TaskWait};

pub(super) fn what(event: &TaskEvent) -> What {
    match event {
        TaskEvent::Assigned {
            worker,
            generation,
            from,
        } => What::Assigned(TaskAssignedEvent {
            worker: worker.clone(),
            generation: *generation,
            from: from.clone().unwrap_or_default(),
        }),
        TaskEvent::Waiting { generation, from, why } => What::Waiting(TaskWaitingEvent {
            generation: *generation,
            from: from.clone().unwrap_or_default(),
            why: waits(*why).into(),
        }),
        TaskEvent::Completed { worker, generation } => What::Completed(TaskCompletedEvent {
            worker: worker.clone(),
            generation: *generation,
        }),
        TaskEvent::Cancelled { generation, from } => What::Cancelled(TaskCancelledEvent {
            generation: *generation,
            from: from.clone().unwrap_or_default(),
        }),
    }
}

fn waits(why: TaskWait) -> TaskWaitReason {
    match why {
        TaskWait::NoWorker => TaskWaitReason::NoWorker,
        TaskWait::Unassigned => TaskWaitReason::Unassigned,
        TaskWait::WorkerGone => TaskWaitReason::WorkerGone,
    }
}
