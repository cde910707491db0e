//! What happened to an assignment.

use quorate_proto::v1;

/// What happened to an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskEvent {
    /// The name of the task.
    pub task: String,
}

impl From<v1::TaskEvent> for TaskEvent {
    fn from(event: v1::TaskEvent) -> Self {
        let v1::TaskEvent { task } = event;
        Self { task }
    }
}
