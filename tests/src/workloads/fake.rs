//! A store for the tests of checks: what it does is the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;

use super::Facts;
use crate::journal::{Answer, End, Header, Operation};
use crate::verdict::Verdict;
use crate::watch_check::{Event, KeyEvent, KeyKind, Truth};
use crate::workloads::Workload;

/// Keys, and what each revision did to them.
#[derive(Debug, Default)]
pub(super) struct FakeStore {
    pub truth: Truth,
    keys: BTreeMap<Bytes, v1::Record>,
}

impl FakeStore {
    /// One revision that writes these keys, or deletes those without a value. Returns it.
    pub(super) fn write(&mut self, keys: &[(&str, Option<&str>)]) -> u64 {
        let revision = self.truth.last() + 1;
        let events = keys
            .iter()
            .map(|(key, value)| self.event(key, *value, revision))
            .collect();
        self.truth.push(revision, events).unwrap();
        revision
    }

    fn event(&mut self, key: &str, value: Option<&str>, revision: u64) -> Event {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let previous = self.keys.remove(&key);
        let mut record = v1::Record {
            key: key.clone(),
            mod_revision: revision,
            ..v1::Record::default()
        };
        if let Some(value) = value {
            record.value = Bytes::copy_from_slice(value.as_bytes());
            record.create_revision = previous.as_ref().map_or(revision, |before| before.create_revision);
            record.version = previous.as_ref().map_or(1, |before| before.version + 1);
            self.keys.insert(key, record.clone());
        }
        Event::Key(KeyEvent {
            domain: "default".to_owned(),
            kind: value.map_or(KeyKind::Delete, |_| KeyKind::Put),
            record,
            previous,
        })
    }
}

/// An operation of client 1, from one microsecond to another.
pub(super) fn operation<C, A>(from: u64, to: u64, call: C, answer: Answer<A>) -> Operation<C, A> {
    Operation {
        client: 1,
        invoked: Duration::from_micros(from),
        returned: Duration::from_micros(to),
        call,
        answer,
    }
}

/// What the check of a workload says of a run that began with an empty store.
pub(super) fn verdict<W: Workload>(operations: &[Operation<W::Call, W::Answer>], store: &FakeStore) -> Verdict {
    let header = Header {
        base_revision: 1,
        ..Header::default()
    };
    let end = End {
        revision: store.truth.last(),
        ..End::default()
    };
    let facts = Facts {
        header: &header,
        faults: &[],
        end: &end,
    };
    W::check(operations, &store.truth, &facts)
}

/// The check finds it, and says so in these words.
#[track_caller]
pub(super) fn assert_illegal(verdict: &Verdict, words: &str) {
    match verdict {
        Verdict::Illegal(text) => assert!(text.contains(words), "{text}"),
        other => panic!("{other}"),
    }
}
