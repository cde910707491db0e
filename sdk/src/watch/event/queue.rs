//! What happened to a queue or its items.

use quorate_proto::v1;

/// What happened to a queue or its items.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueEvent {
    /// The name of the queue.
    pub queue: String,
}

impl From<v1::QueueEvent> for QueueEvent {
    fn from(event: v1::QueueEvent) -> Self {
        let v1::QueueEvent { queue } = event;
        Self { queue }
    }
}
