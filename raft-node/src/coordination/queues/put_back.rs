//! The ways out of a claim: gone for good, back in the queue, or to the dead letters.

use super::item::{ClaimRow, DeadRow, DelayedRow, ItemState, Standing, claimed_key, dead_key, delayed_key};
use super::queue::Queue;
use super::tell::tell_item;
use super::timers::{self, Timer, TimerKind, TimerRow};
use super::{order, receipt};
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::{StorageError, Table};
use crate::types::{ClaimEnd, ItemEvent, LeaseId};

/// How an item comes back.
pub struct Back {
    /// Why its claim ends.
    pub why: ClaimEnd,
    /// It is ready after this many milliseconds.
    pub delay_ms: u64,
    /// It goes to the dead letters, however often it was claimed.
    pub dead: bool,
    /// Why, for people who read dead letters.
    pub reason: String,
}

impl Back {
    /// At once, unless it was claimed too often.
    pub fn now(why: ClaimEnd, reason: &str) -> Back {
        Back {
            why,
            delay_ms: 0,
            dead: false,
            reason: reason.to_owned(),
        }
    }
}

/// Ends a claim: the item is in no state after this.
pub fn end_claim(edit: &mut Edit<'_>, queue: &mut Queue, item: u64, claim: &ClaimRow) -> Result<(), StorageError> {
    edit.stage.delete(Table::Coordination, claimed_key(queue.id(), item));
    timers::clear(edit.stage, receipt::timer(queue, item, claim));
    if let Some(lease) = claim.lease {
        let attachment = Attachment::Receipt {
            queue: queue.id(),
            item,
        };
        leases::detach(edit.stage, lease, &attachment)?;
    }
    queue.row.claimed = queue.row.claimed.saturating_sub(1);
    order::release(edit.stage, queue, &claim.standing)
}

/// Ends a claim and puts the item back; says where it is now. It keeps its id, so it is the first of its group again.
pub fn put_back(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    item: u64,
    claim: ClaimRow,
    back: Back,
) -> Result<ItemState, StorageError> {
    end_claim(edit, queue, item, &claim)?;
    let standing = claim.standing;
    if back.dead || standing.attempts >= queue.row.config.attempts_max {
        let row = DeadRow {
            standing,
            since: edit.log_time,
            reason: back.reason,
        };
        rows::write(edit.stage, Table::Coordination, dead_key(queue.id(), item), &row)?;
        queue.row.dead += 1;
        let (why, reason) = (back.why, row.reason);
        tell_item(edit, &queue.name, item, ItemEvent::Dead { why, reason });
        return Ok(ItemState::Dead);
    }
    let state = place(edit, queue, item, standing, back.delay_ms)?;
    let what = ItemEvent::Returned {
        why: back.why,
        delayed: state == ItemState::Delayed,
    };
    tell_item(edit, &queue.name, item, what);
    Ok(state)
}

/// Puts an item that is in no state where it waits; says where that is.
pub fn place(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    item: u64,
    standing: Standing,
    delay_ms: u64,
) -> Result<ItemState, StorageError> {
    if delay_ms == 0 {
        order::push(edit.stage, queue, item, &standing, edit.log_time)?;
        return Ok(ItemState::Ready);
    }
    let due = edit.log_time.after(delay_ms);
    let key = delayed_key(queue.id(), item);
    rows::write(edit.stage, Table::Coordination, key, &DelayedRow { standing, due })?;
    timers::set(edit.stage, delay_timer(queue, item, due), &TimerRow::default())?;
    queue.row.delayed += 1;
    Ok(ItemState::Delayed)
}

/// The timer of a delay.
pub fn delay_timer(queue: &Queue, item: u64, due: crate::types::LogTimeMs) -> Timer {
    Timer {
        due,
        kind: TimerKind::Delay,
        queue: queue.id(),
        item,
    }
}

/// A lease has ended under which this item was claimed: it goes back.
pub fn lease_ended(edit: &mut Edit<'_>, lease: LeaseId, queue: u64, item: u64) -> Result<(), Failure> {
    let Some(mut queue) = Queue::of_id(edit.stage, queue)? else {
        return Ok(());
    };
    let key = claimed_key(queue.id(), item);
    let claim: Option<ClaimRow> = rows::read(edit.stage, Table::Coordination, &key)?;
    if let Some(mut claim) = claim.filter(|claim| claim.lease == Some(lease)) {
        // It is attached to nothing any more.
        claim.lease = None;
        let back = Back::now(ClaimEnd::LeaseEnded, "the lease of its last claim ended");
        put_back(edit, &mut queue, item, claim, back)?;
    }
    queue.store(edit)
}
