//! What happened, revision by revision.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_proto::v1;

use super::events::{Event, KeyEvent, KeyKind};
use crate::HarnessError;

/// The store is at this revision when it is empty.
const EMPTY: u64 = 1;

/// Every event of every revision, with the record of each key before and after.
///
/// Revisions are added in order. What they say of a key's record is compared with a map of keys that is kept here, so
/// that the truth does not rest on the server's own idea of what was there before.
#[derive(Debug, Default)]
pub struct Truth {
    /// From revision 2 on.
    revisions: Vec<Vec<Event>>,
    keys: BTreeMap<(String, Bytes), v1::Record>,
}

impl Truth {
    /// The newest revision.
    pub fn last(&self) -> u64 {
        EMPTY + self.revisions.len() as u64
    }

    /// What a revision did; nothing where there is no such revision.
    pub fn events(&self, revision: u64) -> &[Event] {
        let index = revision
            .checked_sub(EMPTY + 1)
            .and_then(|index| usize::try_from(index).ok());
        index
            .and_then(|index| self.revisions.get(index))
            .map_or(&[], Vec::as_slice)
    }

    /// Revisions from `first` to `last`, with their events.
    pub fn between(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, &[Event])> {
        (first.max(EMPTY + 1)..=last.min(self.last())).map(|revision| (revision, self.events(revision)))
    }

    /// A key's record after the newest revision, if it exists then.
    pub fn record(&self, domain: &str, key: &Bytes) -> Option<&v1::Record> {
        self.keys.get(&(domain.to_owned(), key.clone()))
    }

    /// Adds the next revision. An error if it is not the next, or if its records are not what the ones before make them.
    pub fn push(&mut self, revision: u64, events: Vec<Event>) -> Result<(), HarnessError> {
        let expected = self.last() + 1;
        if revision != expected {
            return Err(HarnessError::Broken(format!(
                "the log makes revision {revision} after {}",
                self.last()
            )));
        }
        for event in &events {
            if let Event::Key(event) = event {
                self.follow(revision, event)?;
            }
        }
        self.revisions.push(events);
        Ok(())
    }

    fn follow(&mut self, revision: u64, event: &KeyEvent) -> Result<(), HarnessError> {
        let place = (event.domain.clone(), event.record.key.clone());
        let before = self.keys.get(&place);
        let wrong = |what: &str| {
            Err(HarnessError::Broken(format!(
                "revision {revision} of the log: {what}; before: {before:?}, event: {event:?}"
            )))
        };
        if event.previous.as_ref() != before {
            return wrong("the record before is not the one that was written last");
        }
        match event.kind {
            KeyKind::Put => {
                let numbers = (
                    event.record.create_revision,
                    event.record.mod_revision,
                    event.record.version,
                );
                let expected = before.map_or((revision, revision, 1), |before| {
                    (before.create_revision, revision, before.version + 1)
                });
                if numbers != expected {
                    return wrong("its create revision, revision and version do not follow");
                }
                self.keys.insert(place, event.record.clone());
            }
            KeyKind::Delete | KeyKind::Expire if before.is_none() => return wrong("a key went that was not there"),
            KeyKind::Delete | KeyKind::Expire => {
                self.keys.remove(&place);
            }
        }
        Ok(())
    }
}
