//! What a revision touched: what watchers replay and what the cleaner follows.

use bincode::{Decode, Encode};

use super::record::corrupt;
use crate::codec::{self, CodecError, Record as _};
use crate::storage::StorageError;
use crate::types::{DomainId, Event, Revision};

/// What happened to a key.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ChangeKind {
    /// It was written.
    Put,
    /// It was deleted.
    Delete,
    /// Its time came.
    Expire,
}

/// One key that a revision touched.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChangedKey {
    /// Where.
    pub domain: DomainId,
    /// How.
    pub kind: ChangeKind,
    /// Which.
    pub key: Vec<u8>,
}

/// The records of a key that a revision touched, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedRecords {
    /// What was written; none if the key went.
    pub record: Option<Vec<u8>>,
    /// What was there before.
    pub previous: Option<Vec<u8>>,
}

/// A revision that was just applied, for those who watch at this member.
#[derive(Clone, Debug)]
pub struct AppliedRevision {
    /// Its number.
    pub revision: Revision,
    /// What it touched.
    pub changes: Changes,
    /// The records of `changes.keys`, one for each; none if nobody watched.
    pub records: Vec<ChangedRecords>,
}

impl AppliedRevision {
    /// Bytes that it keeps in memory, about.
    pub fn bytes(&self) -> usize {
        self.changes.bytes() + self.records.iter().map(ChangedRecords::bytes).sum::<usize>()
    }
}

impl ChangedRecords {
    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, Vec::len) + self.previous.as_ref().map_or(0, Vec::len) + 48
    }
}

/// All that a revision touched, in the order of the operations. No key stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// The proposer's wall clock, for display and restore to a moment only.
    pub wall_ms: u64,
    /// The keys.
    pub keys: Vec<ChangedKey>,
    /// What happened to leases, locks, queues, workers and assignments.
    pub events: Vec<Event>,
}

impl codec::Record for Changes {
    const ID: u16 = 0x0202;
    const VERSION: u8 = 2;
}

/// A revision that touched keys alone.
#[derive(Encode, Decode)]
struct KeyChanges {
    wall_ms: u64,
    keys: Vec<ChangedKey>,
}

impl codec::Record for KeyChanges {
    const ID: u16 = Changes::ID;
    const VERSION: u8 = 1;
}

/// What did not fit the envelope before this one.
#[derive(Encode, Decode)]
struct MoreChanges {
    keys: Vec<ChangedKey>,
    events: Vec<Event>,
}

impl codec::Record for MoreChanges {
    const ID: u16 = 0x020A;
    const VERSION: u8 = 1;
}

/// Keys, and events, in one envelope. Decoding counts each at its size in memory against the limit of an envelope.
const COUNT_MAX: usize = 1 << 16;

/// Bytes of keys, and of events, in one envelope, unless a single one has more.
const BYTES_MAX: usize = 16 << 20;

impl Changes {
    /// Bytes that they keep in memory, about.
    pub fn bytes(&self) -> usize {
        let keys = self.keys.iter().map(|changed| changed.key.len() + 48);
        let events = self.events.iter().map(Event::bytes);
        keys.sum::<usize>() + events.sum::<usize>() + 128
    }

    /// The row of these changes. Returns them, too: watchers want them next.
    ///
    /// A lease may take 64 MiB of keys with it, and what one release of a lock hands on to those who wait has no limit.
    /// What cannot be stored would stop every member; so what does not fit one envelope goes on in further ones behind it.
    pub fn into_row(mut self) -> Result<(Self, Vec<u8>), StorageError> {
        let failed = |error| corrupt("writing changes", &error);
        let (mut keys, mut events) = self.split();
        if keys.is_empty() && events.is_empty() && self.events.is_empty() {
            let Self { wall_ms, keys, events } = self;
            let keys_alone = KeyChanges { wall_ms, keys };
            let row = codec::encode(&keys_alone).map_err(failed)?;
            let keys = keys_alone.keys;
            return Ok((Self { wall_ms, keys, events }, row));
        }
        let mut row = codec::encode(&self).map_err(failed)?;
        while !keys.is_empty() || !events.is_empty() {
            let mut next = Self {
                wall_ms: self.wall_ms,
                keys,
                events,
            };
            (keys, events) = next.split();
            let Self {
                keys: own,
                events: others,
                ..
            } = next;
            let more = MoreChanges {
                keys: own,
                events: others,
            };
            codec::encode_into(&more, &mut row).map_err(failed)?;
            self.keys.extend(more.keys);
            self.events.extend(more.events);
        }
        Ok((self, row))
    }

    /// Leaves what one envelope holds, and returns the rest: events only once all keys have gone.
    fn split(&mut self) -> (Vec<ChangedKey>, Vec<Event>) {
        let keys = self
            .keys
            .split_off(fitting(&self.keys, |changed| changed.key.len() + 16));
        let events = match keys.is_empty() {
            true => self.events.split_off(fitting(&self.events, Event::bytes)),
            false => std::mem::take(&mut self.events),
        };
        (keys, events)
    }

    /// Reads a row.
    pub fn from_row(row: &[u8]) -> Result<Self, StorageError> {
        let failed = |error| corrupt("reading changes", &error);
        if codec::header(row).map_err(failed)?.version == KeyChanges::VERSION {
            let KeyChanges { wall_ms, keys } = codec::decode(row).map_err(failed)?;
            let events = Vec::new();
            return Ok(Self { wall_ms, keys, events });
        }
        let (mut changes, mut rest) = first::<Self>(row).map_err(failed)?;
        while !rest.is_empty() {
            let (more, behind) = first::<MoreChanges>(rest).map_err(failed)?;
            changes.keys.extend(more.keys);
            changes.events.extend(more.events);
            rest = behind;
        }
        Ok(changes)
    }
}

/// How many of these one envelope holds; at least one, if there is one.
fn fitting<T>(all: &[T], bytes_of: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    let fits = all.iter().take(COUNT_MAX).take_while(|one| {
        bytes += bytes_of(one);
        bytes <= BYTES_MAX
    });
    fits.count().max(all.len().min(1))
}

/// The record in the first envelope of a row, and what stands behind it.
fn first<R: codec::Record>(row: &[u8]) -> Result<(R, &[u8]), CodecError> {
    let (header, payload, rest) = codec::open(row)?;
    if (header.id, header.version) != (R::ID, R::VERSION) {
        return Err(CodecError::Unknown {
            id: header.id,
            version: header.version,
        });
    }
    Ok((codec::payload_as(header.id, payload)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LeaseId, TaskEvent, TaskWait, WorkerEvent};

    fn waiting(task: String) -> Event {
        let what = TaskEvent::Waiting {
            generation: 1,
            from: None,
            why: TaskWait::WorkerGone,
        };
        Event::Task { task, what }
    }

    fn read_back(events: Vec<Event>) -> usize {
        envelopes(Changes {
            events,
            ..Changes::default()
        })
    }

    fn envelopes(changes: Changes) -> usize {
        let (written, row) = changes.clone().into_row().unwrap();
        assert_eq!(written, changes);
        assert_eq!(Changes::from_row(&row).unwrap(), changes);
        let mut envelopes = 0;
        let mut rest = row.as_slice();
        while !rest.is_empty() {
            rest = codec::open(rest).unwrap().2;
            envelopes += 1;
        }
        envelopes
    }

    #[test]
    fn more_events_than_an_envelope_holds_go_on_behind_it() {
        let event = Event::Worker {
            worker: "w".to_owned(),
            what: WorkerEvent::Offline { lease: LeaseId(1) },
        };
        assert_eq!(read_back(vec![event.clone(); COUNT_MAX]), 1);
        assert_eq!(read_back(vec![event; COUNT_MAX * 2 + 1]), 3);
    }

    #[test]
    fn keys_that_an_envelope_cannot_hold_go_on_behind_it_before_any_event() {
        let key = |number: u8| ChangedKey {
            domain: DomainId(1),
            kind: ChangeKind::Expire,
            key: vec![number; 64 << 10],
        };
        let changes = Changes {
            keys: (0..200).map(key).cycle().take(1_100).collect(),
            events: vec![waiting("t".to_owned())],
            ..Changes::default()
        };
        assert_eq!(envelopes(changes.clone()), 5, "68 MiB");
        let keys_alone = Changes {
            events: Vec::new(),
            ..changes
        };
        assert_eq!(envelopes(keys_alone), 5);
    }

    #[test]
    fn events_with_long_names_go_on_behind_the_envelope_too() {
        let long = || waiting("t".repeat(1024));
        let most = BYTES_MAX / long().bytes();
        assert_eq!(read_back((0..most).map(|_| long()).collect()), 1);
        assert_eq!(read_back((0..5 * most).map(|_| long()).collect()), 5);
    }

    #[test]
    fn one_event_stands_in_one_envelope() {
        assert_eq!(read_back(vec![waiting("t".to_owned())]), 1);
    }

    #[test]
    fn what_is_no_event_behind_an_envelope_is_damage() {
        let changes = Changes {
            events: vec![waiting("t".to_owned())],
            ..Changes::default()
        };
        let (_, mut row) = changes.into_row().unwrap();
        row.extend_from_within(..);
        Changes::from_row(&row).unwrap_err();
    }
}
