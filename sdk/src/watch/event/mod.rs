//! What is told of a change: one kind of thing a file.

mod key;
mod lease;
mod lock;
mod queue;
mod task;
mod worker;

use bytes::Bytes;
pub use key::{KeyEvent, KeyEventKind};
pub use lease::{LeaseEvent, LeaseEventKind};
pub use lock::{LockEvent, LockEventKind, LockFreed};
use prost::Message;
pub use queue::{ClaimEnd, QueueEvent, QueueEventKind};
use quorate_proto::v1;
use quorate_proto::v1::watch_event::Event;
pub use task::{TaskEvent, TaskEventKind, TaskWait};
pub use worker::{WorkerEvent, WorkerEventKind};

use crate::error::{Error, ErrorKind, Outcome, Result};

/// One change. New kinds may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly every event is of a key")]
pub enum WatchEvent {
    /// Of a key.
    Key(KeyEvent),
    /// Of a lease.
    Lease(LeaseEvent),
    /// Of a lock, a semaphore or an election.
    Lock(LockEvent),
    /// Of a queue or its items.
    Queue(QueueEvent),
    /// Of a worker.
    Worker(WorkerEvent),
    /// Of an assignment.
    Task(TaskEvent),
    /// Something that this version does not know, told by a member of a later one.
    Unknown,
}

impl WatchEvent {
    /// The event of a key, if it is one.
    pub fn as_key(&self) -> Option<&KeyEvent> {
        match self {
            Self::Key(event) => Some(event),
            _ => None,
        }
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self> {
        let event = v1::WatchEvent::decode(bytes).map_err(|error| {
            let message = format!("an event cannot be read: {error}");
            Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)
        })?;
        Ok(match event.event {
            Some(Event::Key(event)) => KeyEvent::from_wire(event).map_or(Self::Unknown, Self::Key),
            Some(Event::Lease(event)) => LeaseEvent::from_wire(event).map_or(Self::Unknown, Self::Lease),
            Some(Event::Lock(event)) => LockEvent::from_wire(event).map_or(Self::Unknown, Self::Lock),
            Some(Event::Queue(event)) => QueueEvent::from_wire(event).map_or(Self::Unknown, Self::Queue),
            Some(Event::Worker(event)) => WorkerEvent::from_wire(event).map_or(Self::Unknown, Self::Worker),
            Some(Event::Task(event)) => TaskEvent::from_wire(event).map_or(Self::Unknown, Self::Task),
            None => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_later_version_is_told_as_unknown() {
        let of = |event: v1::WatchEvent| WatchEvent::decode(event.encode_to_vec().into()).unwrap();
        assert_eq!(of(v1::WatchEvent { event: None }), WatchEvent::Unknown);
        for without_what in [
            Event::Key(v1::KeyEvent::default()),
            Event::Lease(v1::LeaseEvent::default()),
            Event::Lock(v1::LockEvent::default()),
            Event::Queue(v1::QueueEvent::default()),
            Event::Worker(v1::WorkerEvent::default()),
            Event::Task(v1::TaskEvent::default()),
        ] {
            let event = Some(without_what);
            assert_eq!(of(v1::WatchEvent { event }), WatchEvent::Unknown);
        }
    }

    #[test]
    fn bytes_that_are_no_event_are_an_error() {
        let error = WatchEvent::decode(Bytes::from_static(&[0xff])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Protocol);
    }
}
