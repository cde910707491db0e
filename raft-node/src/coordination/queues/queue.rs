//! The row of a queue, and what an operation does with it.

use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use super::config::QueueConfig;
use crate::codec::{self, CodecError, Record};
use crate::mvcc::{Edit, Failure};
use crate::rows::{self, Key, Parts};
use crate::storage::{StorageError, Table, View, corrupt};
use crate::types::{QueueRefusal, Revision, Signal};

/// The kind of the rows of queues.
pub const QUEUE_ROW: u8 = 20;
const NAME: u8 = 21;
const COUNT: u8 = 22;

/// Ids of queues are made of the revision and the number of the operation.
const OPERATIONS_PER_REVISION: u64 = 4096;

/// What is stored of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueueRow {
    /// Never reused: revision of its creation and number of the operation.
    pub id: u64,
    /// What it promises.
    pub config: QueueConfig,
    /// Nothing is handed out.
    pub paused: bool,
    /// Items that wait for a claim.
    pub ready: u64,
    /// Items whose delay is not over.
    pub delayed: u64,
    /// Items that are claimed.
    pub claimed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Ready items of groups at their limit.
    pub held_back: u64,
    /// Groups that have ready items and are at their limit.
    pub groups_waiting: u64,
    /// Item ids handed out.
    pub items: u64,
    /// Turns handed out.
    pub turns: u64,
    /// Dedupe keys remembered.
    pub dedupe_keys: u64,
    /// Revision at which what somebody who reads the queue may act on last changed: its items and their states, what it
    /// promises, and whether it is paused.
    pub changed: Revision,
}

impl Record for QueueRow {
    const ID: u16 = 0x0230;
    const VERSION: u8 = 2;
}

/// Version 1 of the row, from before its changes were noted.
#[derive(Decode)]
struct UnmarkedRow {
    id: u64,
    config: QueueConfig,
    paused: bool,
    ready: u64,
    delayed: u64,
    claimed: u64,
    dead: u64,
    held_back: u64,
    groups_waiting: u64,
    items: u64,
    turns: u64,
    dedupe_keys: u64,
}

/// The name of a queue, found by its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NameRow {
    /// The name.
    pub name: String,
}

impl Record for NameRow {
    const ID: u16 = 0x0231;
    const VERSION: u8 = 1;
}

/// How many queues there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CountRow {
    /// That many.
    pub queues: u64,
}

impl Record for CountRow {
    const ID: u16 = 0x0232;
    const VERSION: u8 = 1;
}

impl QueueRow {
    /// Of a new queue.
    pub fn new(id: u64, config: QueueConfig, created: Revision) -> QueueRow {
        QueueRow {
            id,
            config,
            paused: false,
            ready: 0,
            delayed: 0,
            claimed: 0,
            dead: 0,
            held_back: 0,
            groups_waiting: 0,
            items: 0,
            turns: 0,
            dedupe_keys: 0,
            changed: created,
        }
    }

    /// The queue in a row of any version.
    pub fn from_row(row: &[u8]) -> Result<QueueRow, CodecError> {
        let (header, payload, rest) = codec::open(row)?;
        match (header.id, header.version, rest) {
            (<QueueRow as Record>::ID, 2, []) => codec::payload_as(header.id, payload),
            (<QueueRow as Record>::ID, 1, []) => Ok(codec::payload_as::<UnmarkedRow>(header.id, payload)?.marked()),
            (id, version, _) => Err(CodecError::Unknown { id, version }),
        }
    }

    /// What somebody who reads the queue may act on is the same.
    fn looks_like(&self, other: &QueueRow) -> bool {
        let seen = |row: &QueueRow| (row.paused, row.ready, row.delayed, row.claimed, row.dead, row.items);
        seen(self) == seen(other) && self.config == other.config
    }

    /// Items it holds, in whatever state.
    pub fn depth(&self) -> u64 {
        self.ready + self.delayed + self.claimed + self.dead
    }

    /// Items that could be claimed now.
    pub fn claimable(&self) -> u64 {
        if self.paused {
            return 0;
        }
        let allowed = match self.config.claimed_max {
            0 => u64::MAX,
            most => most.saturating_sub(self.claimed),
        };
        self.ready.saturating_sub(self.held_back).min(allowed)
    }
}

impl UnmarkedRow {
    /// With its creation as the last change that is known.
    fn marked(self) -> QueueRow {
        QueueRow {
            id: self.id,
            config: self.config,
            paused: self.paused,
            ready: self.ready,
            delayed: self.delayed,
            claimed: self.claimed,
            dead: self.dead,
            held_back: self.held_back,
            groups_waiting: self.groups_waiting,
            items: self.items,
            turns: self.turns,
            dedupe_keys: self.dedupe_keys,
            changed: created(self.id),
        }
    }
}

/// A queue while an operation changes it. Nothing is written before [`Queue::store`].
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its row, as it will be.
    pub row: QueueRow,
    before: QueueRow,
}

impl Queue {
    fn new(name: String, row: QueueRow) -> Queue {
        let before = row.clone();
        Queue { name, row, before }
    }

    /// The queue of this name, if there is one.
    pub fn find(view: &dyn View, name: &str) -> Result<Option<Queue>, StorageError> {
        Ok(find(view, name)?.map(|row| Queue::new(name.to_owned(), row)))
    }

    /// The queue of this id, if it was not deleted.
    pub fn of_id(view: &dyn View, id: u64) -> Result<Option<Queue>, StorageError> {
        match rows::read::<NameRow>(view, Table::Coordination, &name_key(id))? {
            Some(named) => Queue::find(view, &named.name),
            None => Ok(None),
        }
    }

    /// The queue of this name, or a refusal.
    pub fn require(edit: &Edit<'_>, name: &str) -> Result<Queue, Failure> {
        Queue::find(edit.stage, name)?
            .ok_or_else(|| edit.refused(QueueRefusal::UnknownQueue { queue: name.to_owned() }))
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.row.id
    }

    /// Writes the row if it has changed, and tells of what can be claimed now and could not before.
    pub fn store(mut self, edit: &mut Edit<'_>) -> Result<(), Failure> {
        if self.row == self.before {
            return Ok(());
        }
        if !self.row.looks_like(&self.before) {
            self.row.changed = edit.revision;
        }
        rows::write(edit.stage, Table::Coordination, key(&self.name), &self.row)?;
        let more = self.row.claimable().saturating_sub(self.before.claimable());
        if more > 0 {
            edit.signals.push(Signal::Ready {
                queue: self.name,
                items: u32::try_from(more).unwrap_or(u32::MAX),
            });
        }
        Ok(())
    }
}

/// The row of a queue.
pub fn find(view: &dyn View, name: &str) -> Result<Option<QueueRow>, StorageError> {
    let row = view.get(Table::Coordination, &key(name))?;
    row.map(|row| value(&row)).transpose()
}

fn value(row: &[u8]) -> Result<QueueRow, StorageError> {
    QueueRow::from_row(row).map_err(|error| corrupt("reading a queue", &error))
}

/// The id of a queue that an operation of this number makes at this revision.
pub fn id(created: Revision, operation: u32) -> u64 {
    created.0.saturating_mul(OPERATIONS_PER_REVISION) + u64::from(operation)
}

/// The revision at which the queue of this id was made.
fn created(id: u64) -> Revision {
    Revision(id / OPERATIONS_PER_REVISION)
}

/// Writes a queue that is new.
pub fn insert(edit: &mut Edit<'_>, name: String, row: &QueueRow) -> Result<(), StorageError> {
    let queues = count(edit.stage)? + 1;
    rows::write(edit.stage, Table::Coordination, key(&name), row)?;
    rows::write(edit.stage, Table::Coordination, name_key(row.id), &NameRow { name })?;
    rows::write(edit.stage, Table::Coordination, count_key(), &CountRow { queues })
}

/// Removes a queue that holds nothing.
pub fn remove(edit: &mut Edit<'_>, queue: &Queue) -> Result<(), StorageError> {
    let queues = count(edit.stage)?.saturating_sub(1);
    edit.stage.delete(Table::Coordination, key(&queue.name));
    edit.stage.delete(Table::Coordination, name_key(queue.id()));
    rows::write(edit.stage, Table::Coordination, count_key(), &CountRow { queues })
}

/// How many queues there are.
pub fn count(view: &dyn View) -> Result<u64, StorageError> {
    let count: Option<CountRow> = rows::read(view, Table::Coordination, &count_key())?;
    Ok(count.unwrap_or_default().queues)
}

/// Visits the queues whose names come after `after`, in the order of their names.
pub fn scan(
    view: &dyn View,
    after: &str,
    visit: &mut dyn FnMut(String, QueueRow) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let (from, end) = (key(after), rows::successor(&Key::of(QUEUE_ROW).done()));
    let mut failed = None;
    let bounds = (Bound::Excluded(from.as_slice()), rows::up_to(end.as_ref()));
    view.scan(
        Table::Coordination,
        bounds.0,
        bounds.1,
        false,
        &mut |stored, row| match (decode(stored), value(row)) {
            (Some(name), Ok(row)) => visit(name, row),
            (_, Err(error)) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
            (None, _) => {
                failed = Some(corrupt("reading a queue", &"its key does not decode"));
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

fn key(name: &str) -> Vec<u8> {
    Key::of(QUEUE_ROW).text(name).done()
}

fn decode(stored: &[u8]) -> Option<String> {
    let mut parts = Parts::of(QUEUE_ROW, stored)?;
    let name = parts.text()?;
    parts.end().map(|()| name)
}

fn name_key(id: u64) -> Vec<u8> {
    Key::of(NAME).number(id).done()
}

fn count_key() -> Vec<u8> {
    Key::of(COUNT).done()
}
