//! Events, as the log and as watchers tell them.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use quorate_proto::v1;
use serde::{Deserialize, Serialize};

use crate::journal::{as_record, as_text};

/// Longer values are kept as their length and a hash: a run of fifty watchers holds them many times.
const VALUE_BYTES_MAX: usize = 256;

/// What has events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Keys of a domain.
    Keys(String),
    /// Leases.
    Leases,
    /// Locks, semaphores and elections.
    Locks,
    /// Queues.
    Queues,
    /// Workers.
    Workers,
    /// Assignments.
    Tasks,
}

/// How a key was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Written.
    Put,
    /// Deleted, or gone with its lease.
    Delete,
    /// Its time came.
    Expire,
}

/// Something that a revision did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// To a key.
    Key(KeyEvent),
    /// To anything else.
    Other(OtherEvent),
}

/// What a revision did to a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyEvent {
    /// Where the key is.
    pub domain: String,
    /// What.
    pub kind: KeyKind,
    /// As written; its name and the revision where it went.
    #[serde(with = "as_record")]
    pub record: v1::Record,
    /// As it was before. In the truth always there if it existed, in what is told only if it was asked for.
    #[serde(default, with = "as_record::option", skip_serializing_if = "Option::is_none")]
    pub previous: Option<v1::Record>,
}

/// What a revision did to a lease, a lock, a queue, a worker or a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherEvent {
    /// Which kind of thing.
    pub space: Space,
    /// Its name.
    #[serde(with = "as_text")]
    pub name: Bytes,
    /// What happened; absent where whoever recorded it cannot tell. Then only space and name are compared. Not in files of
    /// what watchers were told, which are watchers of the SDK.
    #[serde(skip)]
    pub what: Option<v1::watch_event::Event>,
}

impl Event {
    /// Where it happened.
    pub fn space(&self) -> Space {
        match self {
            Event::Key(event) => Space::Keys(event.domain.clone()),
            Event::Other(event) => event.space.clone(),
        }
    }

    /// To what.
    pub fn name(&self) -> &Bytes {
        match self {
            Event::Key(event) => &event.record.key,
            Event::Other(event) => &event.name,
        }
    }

    /// Whether both happened to the same thing.
    pub fn is_about_the_same(&self, other: &Event) -> bool {
        self.name() == other.name() && self.space() == other.space()
    }

    /// It as the API tells it; nothing if this build does not know what it is.
    pub fn from_wire(event: v1::WatchEvent) -> Option<Event> {
        use v1::watch_event::Event as Wire;
        let (space, name) = match event.event.as_ref()? {
            Wire::Key(_) => {
                let Some(Wire::Key(key)) = event.event else { return None };
                return Some(Event::Key(KeyEvent::from_wire(key)?));
            }
            Wire::Lease(event) => (Space::Leases, event.lease.to_string()),
            Wire::Lock(event) => (Space::Locks, event.lock.clone()),
            Wire::Queue(event) => (Space::Queues, event.queue.clone()),
            Wire::Worker(event) => (Space::Workers, event.worker.clone()),
            Wire::Task(event) => (Space::Tasks, event.task.clone()),
        };
        Some(Event::Other(OtherEvent {
            space,
            name: Bytes::from(name),
            what: event.event,
        }))
    }
}

impl KeyEvent {
    fn from_wire(event: v1::KeyEvent) -> Option<KeyEvent> {
        let kind = match event.kind() {
            v1::KeyEventKind::Put => KeyKind::Put,
            v1::KeyEventKind::Delete => KeyKind::Delete,
            v1::KeyEventKind::Expire => KeyKind::Expire,
            v1::KeyEventKind::Unspecified => return None,
        };
        Some(KeyEvent {
            domain: event.domain,
            kind,
            record: shortened(event.record?),
            previous: event.previous.map(shortened),
        })
    }
}

/// The record with a long value made short; equal values stay equal.
pub fn shortened(mut record: v1::Record) -> v1::Record {
    let length = record.value.len();
    if length > VALUE_BYTES_MAX {
        let mut hasher = DefaultHasher::new();
        record.value.hash(&mut hasher);
        record.value = Bytes::from(format!("{length} bytes {:016x}", hasher.finish()));
    }
    // Not a slice of the message that it came in: that would be kept whole.
    record.key = Bytes::copy_from_slice(&record.key);
    record.value = Bytes::copy_from_slice(&record.value);
    record
}
