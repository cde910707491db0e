//! A revision of the truth as a line.

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1;
use serde::{Deserialize, Serialize};

use super::text::{Text, from_hexadecimal, hexadecimal};
use crate::HarnessError;
use crate::watch_check::{Event, KeyEvent, KeyKind, OtherEvent, Space, Truth};

/// What a revision did. The record before it is not written: it is that of the last revision that touched the key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RevisionLine {
    revision: u64,
    keys: Vec<KeyLine>,
    events: Vec<EventLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyLine {
    domain: String,
    key: Text,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<RecordLine>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordLine {
    value: Text,
    create_revision: u64,
    version: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    lease: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    expires_at_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// An event of anything but a key; `what` is the message of the API, in hexadecimal digits.
#[derive(Debug, Serialize, Deserialize)]
struct EventLine {
    space: String,
    name: Text,
    what: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

const KINDS: [(&str, KeyKind); 3] = [
    ("put", KeyKind::Put),
    ("delete", KeyKind::Delete),
    ("expire", KeyKind::Expire),
];

impl RevisionLine {
    pub(super) fn of(revision: u64, events: &[Event]) -> RevisionLine {
        let mut line = RevisionLine {
            revision,
            keys: Vec::new(),
            events: Vec::new(),
        };
        for event in events {
            match event {
                Event::Key(event) => line.keys.push(key_line(event)),
                Event::Other(event) => line.events.push(event_line(event)),
            }
        }
        line
    }

    /// Adds it to the truth, which must be at the revision before.
    pub(super) fn add_to(self, truth: &mut Truth) -> Result<(), HarnessError> {
        let revision = self.revision;
        let keys = self.keys.into_iter().map(|key| key_event(key, revision, truth));
        let mut events: Vec<Event> = keys.collect::<Result<_, _>>()?;
        let others = self.events.into_iter().map(other_event);
        events.extend(others.collect::<Result<Vec<_>, _>>()?);
        truth.push(revision, events)
    }
}

fn key_line(event: &KeyEvent) -> KeyLine {
    let kind = KINDS.iter().find(|(_, kind)| *kind == event.kind);
    let record = &event.record;
    KeyLine {
        domain: event.domain.clone(),
        key: Text(record.key.clone()),
        kind: kind.map_or("", |(name, _)| name).to_owned(),
        record: (event.kind == KeyKind::Put).then(|| RecordLine {
            value: Text(record.value.clone()),
            create_revision: record.create_revision,
            version: record.version,
            lease: record.lease,
            expires_at_ms: record.expires_at_ms,
            tags: record.tags.clone(),
        }),
    }
}

fn key_event(line: KeyLine, revision: u64, truth: &Truth) -> Result<Event, HarnessError> {
    let known = KINDS.iter().find(|(name, _)| *name == line.kind);
    let (_, kind) = known.ok_or_else(|| broken(&format!("{:?} is no kind of change", line.kind)))?;
    let mut record = v1::Record {
        key: line.key.0,
        mod_revision: revision,
        ..v1::Record::default()
    };
    if let Some(written) = line.record {
        record.value = written.value.0;
        record.create_revision = written.create_revision;
        record.version = written.version;
        record.lease = written.lease;
        record.expires_at_ms = written.expires_at_ms;
        record.tags = written.tags;
    }
    Ok(Event::Key(KeyEvent {
        previous: truth.record(&line.domain, &record.key).cloned(),
        domain: line.domain,
        kind: *kind,
        record,
    }))
}

fn event_line(event: &OtherEvent) -> EventLine {
    let what = v1::WatchEvent {
        event: event.what.clone(),
    };
    EventLine {
        space: match &event.space {
            Space::Keys(domain) => format!("keys of {domain}"),
            Space::Leases => "leases".to_owned(),
            Space::Locks => "locks".to_owned(),
            Space::Queues => "queues".to_owned(),
            Space::Workers => "workers".to_owned(),
            Space::Tasks => "tasks".to_owned(),
        },
        name: Text(event.name.clone()),
        what: hexadecimal(&what.encode_to_vec()),
    }
}

fn other_event(line: EventLine) -> Result<Event, HarnessError> {
    let space = match line.space.as_str() {
        "leases" => Space::Leases,
        "locks" => Space::Locks,
        "queues" => Space::Queues,
        "workers" => Space::Workers,
        "tasks" => Space::Tasks,
        other => match other.strip_prefix("keys of ") {
            Some(domain) => Space::Keys(domain.to_owned()),
            None => return Err(broken(&format!("{other:?} has no events"))),
        },
    };
    let bytes = from_hexadecimal(&line.what).ok_or_else(|| broken("an event is not in hexadecimal digits"))?;
    let message = v1::WatchEvent::decode(Bytes::from(bytes)).map_err(|error| broken(&error.to_string()))?;
    Ok(Event::Other(OtherEvent {
        space,
        name: line.name.0,
        what: message.event,
    }))
}

fn broken(what: &str) -> HarnessError {
    HarnessError::Broken(format!("the truth of the journal: {what}"))
}
