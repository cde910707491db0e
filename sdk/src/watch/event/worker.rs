//! What happened to a worker.

use quorate_proto::v1;

/// What happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerEvent {
    /// Its name.
    pub worker: String,
}

impl From<v1::WorkerEvent> for WorkerEvent {
    fn from(event: v1::WorkerEvent) -> Self {
        let v1::WorkerEvent { worker } = event;
        Self { worker }
    }
}
