//! Removes items of a queue, whoever waits for them.

use super::item::{
    ClaimRow, DeadRow, DelayedRow, ItemState, ReadyRow, Standing, decode_item, decode_ready, state_prefix,
};
use super::operation::QueueReply;
use super::queue::Queue;
use super::tell::tell_item;
use super::{item, order, put_back, timers};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::{StorageError, Table, corrupt};
use crate::types::ItemEvent;

/// Removes the first items of one state, at most `count`. The receipts of claimed ones are worth nothing then.
pub fn purge(edit: &mut Edit<'_>, name: &str, state: ItemState, count: u32) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let prefix = state_prefix(queue.id(), state);
    let mut items = 0;
    edit.charge_deletes(u64::from(count), 0)?;
    while items < count {
        let Some((key, row)) = rows::first(edit.stage, Table::Coordination, &prefix)? else {
            break;
        };
        let Some(id) = decode_item(state, &key) else {
            return Err(corrupt("reading an item", &"its key does not decode").into());
        };
        let checkpoint = take_out(edit, &mut queue, id, state, (key, &row))?;
        item::remove(edit.stage, queue.id(), id, checkpoint);
        tell_item(edit, name, id, ItemEvent::Purged);
        items += 1;
    }
    let remaining = match state {
        ItemState::Ready => queue.row.ready,
        ItemState::Delayed => queue.row.delayed,
        ItemState::Claimed => queue.row.claimed,
        ItemState::Dead => queue.row.dead,
    };
    queue.store(edit)?;
    Ok(QueueReply::Purged { items, remaining })
}

/// Takes an item out of its state; says whether it has a checkpoint.
pub fn take_out(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    item: u64,
    state: ItemState,
    (key, row): (Vec<u8>, &[u8]),
) -> Result<bool, StorageError> {
    match state {
        ItemState::Ready => {
            let row: ReadyRow = rows::value(row)?;
            let (priority, group, _) =
                decode_ready(&key).ok_or_else(|| corrupt("reading an item", &"its key does not decode"))?;
            let standing = Standing {
                priority,
                group,
                attempts: row.attempts,
                checkpoint: row.checkpoint,
            };
            order::remove(edit.stage, queue, item, &standing)?;
            Ok(row.checkpoint)
        }
        ItemState::Delayed => {
            let row: DelayedRow = rows::value(row)?;
            edit.stage.delete(Table::Coordination, key);
            timers::clear(edit.stage, put_back::delay_timer(queue, item, row.due));
            queue.row.delayed = queue.row.delayed.saturating_sub(1);
            Ok(row.standing.checkpoint)
        }
        ItemState::Claimed => {
            let row: ClaimRow = rows::value(row)?;
            put_back::end_claim(edit, queue, item, &row)?;
            Ok(row.standing.checkpoint)
        }
        ItemState::Dead => {
            let row: DeadRow = rows::value(row)?;
            edit.stage.delete(Table::Coordination, key);
            queue.row.dead = queue.row.dead.saturating_sub(1);
            Ok(row.standing.checkpoint)
        }
    }
}
