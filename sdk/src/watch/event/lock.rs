//! What happened to a lock, a semaphore or an election.

use quorate_proto::v1;

/// What happened to a lock, a semaphore or an election.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockEvent {
    /// Its name.
    pub lock: String,
}

impl From<v1::LockEvent> for LockEvent {
    fn from(event: v1::LockEvent) -> Self {
        let v1::LockEvent { lock } = event;
        Self { lock }
    }
}
