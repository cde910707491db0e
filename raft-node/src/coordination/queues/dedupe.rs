//! Dedupe keys: which item was enqueued with a key, for as long as the queue's window says.
//!
//! A key is remembered from the first item on and forgotten when its window is over, whatever has become of the item. A
//! repetition does not prolong the window.

use bincode::{Decode, Encode};

use super::config::DEDUPE_KEYS_MAX;
use super::queue::Queue;
use super::timers::{self, Timer, TimerKind, TimerRow};
use crate::codec::Record;
use crate::mvcc::{Edit, Failure};
use crate::rows::{self, Key};
use crate::storage::{Stage, StorageError, Table};
use crate::types::{LogTimeMs, QueueRefusal};

const DEDUPE: u8 = 30;

/// The item that came with a key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DedupeRow {
    /// Its id.
    pub item: u64,
    /// Log time at which the key is forgotten.
    pub until: LogTimeMs,
}

impl Record for DedupeRow {
    const ID: u16 = 0x023C;
    const VERSION: u8 = 1;
}

/// The item that was enqueued with this key within the window.
pub fn seen(edit: &Edit<'_>, queue: &Queue, key: &str) -> Result<Option<u64>, StorageError> {
    let row: Option<DedupeRow> = rows::read(edit.stage, Table::Coordination, &row_key(queue.id(), key))?;
    Ok(row.filter(|row| row.until > edit.log_time).map(|row| row.item))
}

/// Remembers a key that was not seen within the window.
pub fn remember(edit: &mut Edit<'_>, queue: &mut Queue, key: &str, item: u64) -> Result<(), Failure> {
    let stored = row_key(queue.id(), key);
    match rows::read::<DedupeRow>(edit.stage, Table::Coordination, &stored)? {
        // Its window is over, and its timer has not run yet.
        Some(old) => timers::clear(edit.stage, timer(queue.id(), &old)),
        None if queue.row.dedupe_keys >= DEDUPE_KEYS_MAX => {
            return Err(edit.refused(QueueRefusal::TooManyDedupeKeys {
                queue: queue.name.clone(),
                keys_max: DEDUPE_KEYS_MAX,
            }));
        }
        None => queue.row.dedupe_keys += 1,
    }
    let until = edit.log_time.after(queue.row.config.dedupe_window_ms);
    let row = DedupeRow { item, until };
    rows::write(edit.stage, Table::Coordination, stored, &row)?;
    let note = TimerRow {
        dedupe_key: key.to_owned(),
    };
    timers::set(edit.stage, timer(queue.id(), &row), &note)?;
    Ok(())
}

/// Forgets a key whose window is over.
pub fn forget(stage: &mut dyn Stage, queue: u64, key: &str, item: u64) -> Result<(), StorageError> {
    let stored = row_key(queue, key);
    let row: Option<DedupeRow> = rows::read(stage, Table::Coordination, &stored)?;
    if row.is_some_and(|row| row.item == item) {
        stage.delete(Table::Coordination, stored);
    }
    Ok(())
}

fn timer(queue: u64, row: &DedupeRow) -> Timer {
    Timer {
        due: row.until,
        kind: TimerKind::Dedupe,
        queue,
        item: row.item,
    }
}

fn row_key(queue: u64, key: &str) -> Vec<u8> {
    Key::of(DEDUPE).number(queue).text(key).done()
}
