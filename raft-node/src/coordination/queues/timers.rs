//! What happens to items when log time has come: a delay is over, a claim has run out, a dedupe key is forgotten.
//!
//! Timers of all queues stand in one order, by log time; a timer is removed together with what it was for. Only those of
//! dedupe keys outlive their queue, so that a queue can be deleted without passing its keys.

use bincode::{Decode, Encode};

use super::item::{ClaimRow, DelayedRow, claimed_key, delayed_key};
use super::put_back::{Back, put_back};
use super::queue::Queue;
use super::tell::tell_item;
use super::{dedupe, order};
use crate::codec::Record;
use crate::mvcc::{Edit, Failure};
use crate::rows::{self, Key, Parts};
use crate::storage::{Stage, StorageError, Table, View, corrupt};
use crate::types::{ClaimEnd, ItemEvent, LogTimeMs};

const TIMER: u8 = 29;

/// What a timer is for. The numbers are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// An item becomes ready.
    Delay = 1,
    /// A claim runs out.
    Visibility = 2,
    /// A dedupe key is forgotten.
    Dedupe = 3,
}

/// What a timer needs beside its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TimerRow {
    /// The dedupe key that is forgotten; empty otherwise.
    pub dedupe_key: String,
}

impl Record for TimerRow {
    const ID: u16 = 0x0239;
    const VERSION: u8 = 1;
}

/// A timer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Log time at which it is due.
    pub due: LogTimeMs,
    /// What it is for.
    pub kind: TimerKind,
    /// The queue's id.
    pub queue: u64,
    /// The item.
    pub item: u64,
}

/// Sets a timer.
pub fn set(stage: &mut dyn Stage, timer: Timer, row: &TimerRow) -> Result<(), StorageError> {
    rows::write(stage, Table::Coordination, timer.key(), row)
}

/// Removes a timer.
pub fn clear(stage: &mut dyn Stage, timer: Timer) {
    stage.delete(Table::Coordination, timer.key());
}

/// Does what is due by the group's log time, at most `timers_max` of it. Returns how much it did.
pub fn run_timers(edit: &mut Edit<'_>, timers_max: u32) -> Result<u64, Failure> {
    let mut done = 0;
    while done < u64::from(timers_max) {
        match first(edit.stage)? {
            Some((timer, row)) if timer.due <= edit.log_time => {
                clear(edit.stage, timer);
                run(edit, timer, &row)?;
                done += 1;
            }
            _ => break,
        }
    }
    Ok(done)
}

/// When the next timer is due.
pub fn next_timer(view: &dyn View) -> Option<LogTimeMs> {
    first(view).ok().flatten().map(|(timer, _)| timer.due)
}

fn run(edit: &mut Edit<'_>, timer: Timer, row: &TimerRow) -> Result<(), Failure> {
    let Timer { queue: id, item, .. } = timer;
    let queue = Queue::of_id(edit.stage, id)?;
    if timer.kind == TimerKind::Dedupe {
        dedupe::forget(edit.stage, id, &row.dedupe_key, item)?;
        if let Some(mut queue) = queue {
            queue.row.dedupe_keys = queue.row.dedupe_keys.saturating_sub(1);
            queue.store(edit)?;
        }
        return Ok(());
    }
    let Some(mut queue) = queue else { return Ok(()) };
    if timer.kind == TimerKind::Delay {
        delay_is_over(edit, &mut queue, item)?;
    } else if let Some(claim) = rows::read::<ClaimRow>(edit.stage, Table::Coordination, &claimed_key(id, item))? {
        let back = Back::now(ClaimEnd::TimedOut, "its last claim timed out");
        put_back(edit, &mut queue, item, claim, back)?;
    }
    queue.store(edit)
}

fn delay_is_over(edit: &mut Edit<'_>, queue: &mut Queue, item: u64) -> Result<(), StorageError> {
    let key = delayed_key(queue.id(), item);
    if let Some(delayed) = rows::read::<DelayedRow>(edit.stage, Table::Coordination, &key)? {
        edit.stage.delete(Table::Coordination, key);
        queue.row.delayed = queue.row.delayed.saturating_sub(1);
        order::push(edit.stage, queue, item, &delayed.standing, edit.log_time)?;
        tell_item(edit, &queue.name, item, ItemEvent::Ready);
    }
    Ok(())
}

fn first(view: &dyn View) -> Result<Option<(Timer, TimerRow)>, StorageError> {
    let Some((key, row)) = rows::first(view, Table::Coordination, &Key::of(TIMER).done())? else {
        return Ok(None);
    };
    match Timer::decode(&key) {
        Some(timer) => Ok(Some((timer, rows::value(&row)?))),
        None => Err(corrupt("reading a timer", &"its key does not decode")),
    }
}

impl Timer {
    /// Its key, which sorts by log time.
    pub fn key(&self) -> Vec<u8> {
        let key = Key::of(TIMER).number(self.due.0).byte(self.kind as u8);
        key.number(self.queue).number(self.item).done()
    }

    /// The timer of a key.
    pub fn decode(stored: &[u8]) -> Option<Timer> {
        let mut parts = Parts::of(TIMER, stored)?;
        let due = LogTimeMs(parts.number()?);
        let kind = match parts.byte()? {
            1 => TimerKind::Delay,
            2 => TimerKind::Visibility,
            3 => TimerKind::Dedupe,
            _ => return None,
        };
        let (queue, item) = (parts.number()?, parts.number()?);
        parts.end().map(|()| Timer { due, kind, queue, item })
    }
}
