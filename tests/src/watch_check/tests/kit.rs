//! The shortest ways to write a history, and what a watcher of it should be told.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;

use crate::watch_check::{
    Ack, Acks, Asked, Event, Incarnation, KeyEvent, KeyKind, Names, OtherEvent, Space, Start, Told, Truth, Verdict,
    Wanted, Watcher, Wrong, asks_for, check,
};

/// A history of keys, written as a client would write it.
#[derive(Debug, Default)]
pub struct Story {
    pub truth: Truth,
    keys: std::collections::BTreeMap<String, v1::Record>,
}

impl Story {
    /// Makes the next revision of these: `a=1` writes, `-a` deletes, `~a` expires, `@7` grants the lease 7.
    pub fn revision(&mut self, words: &str) -> u64 {
        let revision = self.truth.last() + 1;
        let events = words.split_ascii_whitespace().map(|word| self.event(revision, word));
        let events = events.collect();
        self.truth.push(revision, events).unwrap();
        revision
    }

    fn event(&mut self, revision: u64, word: &str) -> Event {
        if let Some(lease) = word.strip_prefix('@') {
            return granted(lease.parse().unwrap());
        }
        let (kind, key) = match (word.strip_prefix('-'), word.strip_prefix('~')) {
            (Some(key), _) => (KeyKind::Delete, key),
            (_, Some(key)) => (KeyKind::Expire, key),
            _ => (KeyKind::Put, word),
        };
        let (key, value) = key.split_once('=').unwrap_or((key, ""));
        let previous = self.keys.remove(key);
        let mut record = v1::Record {
            key: Bytes::from(key.to_owned()),
            mod_revision: revision,
            ..v1::Record::default()
        };
        if kind == KeyKind::Put {
            record.value = Bytes::from(value.to_owned());
            record.create_revision = previous.as_ref().map_or(revision, |before| before.create_revision);
            record.version = previous.as_ref().map_or(1, |before| before.version + 1);
            self.keys.insert(key.to_owned(), record.clone());
        }
        Event::Key(KeyEvent {
            domain: "default".to_owned(),
            kind,
            record,
            previous,
        })
    }
}

pub fn granted(lease: u64) -> Event {
    let what = v1::LeaseGrantedEvent {
        name: String::new(),
        ttl_ms: 1000,
    };
    let event = v1::LeaseEvent {
        lease,
        what: Some(v1::lease_event::What::Granted(what)),
    };
    Event::from_wire(v1::WatchEvent {
        event: Some(v1::watch_event::Event::Lease(event)),
    })
    .unwrap()
}

/// Keys of the default domain.
pub fn keys(names: Names) -> Wanted {
    Wanted {
        space: Space::Keys("default".to_owned()),
        names,
    }
}

pub fn prefix(prefix: &'static str) -> Wanted {
    keys(Names::Prefix(Bytes::from_static(prefix.as_bytes())))
}

/// Everything of these, with the records before.
pub fn all_of(wanted: impl IntoIterator<Item = Wanted>) -> Asked {
    Asked {
        wanted: wanted.into_iter().collect(),
        puts: true,
        deletes: true,
        previous: true,
        keys_only: false,
    }
}

/// What one who asked so is told of a revision; nothing if there is nothing for it.
pub fn told(truth: &Truth, asked: &Asked, revision: u64) -> Option<Told> {
    let events = truth.events(revision).iter().filter(|event| asks_for(asked, event));
    let events: Vec<Event> = events.map(|event| shown(event, asked)).collect();
    (!events.is_empty()).then_some(Told::Events {
        revision,
        events,
        more: false,
    })
}

fn shown(event: &Event, asked: &Asked) -> Event {
    let mut event = event.clone();
    if let Event::Key(key) = &mut event {
        key.previous.take_if(|_| !asked.previous);
        if asked.keys_only {
            key.record.value.clear();
            if let Some(previous) = &mut key.previous {
                previous.value.clear();
            }
        }
    }
    event
}

pub fn created(revision: u64) -> Told {
    Told::Created {
        revision,
        at: Duration::ZERO,
    }
}

pub fn mark(revision: u64) -> Told {
    Told::Mark { revision, probed: None }
}

/// An incarnation that got everything from `first` to `last`.
pub fn incarnation(truth: &Truth, asked: &Asked, first: u64, last: u64) -> Incarnation {
    let events = (first..=last).filter_map(|revision| told(truth, asked, revision));
    Incarnation {
        start: Start::From(first),
        asked: Duration::ZERO,
        told: std::iter::once(created(first - 1)).chain(events).collect(),
    }
}

/// A watcher that asked for that.
pub fn watcher(asked: Asked, incarnations: Vec<Incarnation>) -> Watcher {
    Watcher {
        name: "w".to_owned(),
        asked,
        incarnations,
        due: 0,
    }
}

pub fn verdict(watcher: &Watcher, truth: &Truth) -> Verdict {
    check(std::slice::from_ref(watcher), truth, &Acks::default())
}

#[track_caller]
pub fn wrong(verdict: Verdict) -> Wrong {
    match verdict {
        Verdict::Illegal(violation) => violation.wrong,
        other => panic!("should be illegal: {other:?}"),
    }
}

/// `(invoked, returned, revision)`, times in milliseconds.
pub fn acks(acks: &[(u64, u64, u64)]) -> Acks {
    Acks::new(acks.iter().map(|(invoked, returned, revision)| Ack {
        invoked: Duration::from_millis(*invoked),
        returned: Duration::from_millis(*returned),
        revision: *revision,
    }))
}

/// An event of a key at a revision, as a watcher that asked for everything sees it.
pub fn key_event(told: &mut Told) -> &mut KeyEvent {
    match told {
        Told::Events { events, .. } => match &mut events[0] {
            Event::Key(event) => event,
            Event::Other(event) => panic!("not a key: {event:?}"),
        },
        other => panic!("no events: {other:?}"),
    }
}

/// A lease's event of which it is not known what it was.
pub fn of_lease(lease: &'static str) -> Event {
    Event::Other(OtherEvent {
        space: Space::Leases,
        name: Bytes::from_static(lease.as_bytes()),
        what: None,
    })
}
