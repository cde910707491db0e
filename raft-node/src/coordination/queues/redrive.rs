//! Gives dead letters another chance.

use super::item::{DeadRow, ItemState, dead_key, decode_item, item_key, state_prefix};
use super::operation::QueueReply;
use super::put_back;
use super::queue::Queue;
use super::tell::tell_item;
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::{Table, corrupt};
use crate::types::{ItemEvent, QueueRefusal};

/// Makes dead letters ready again, as if they had never been claimed; their checkpoints stay. Either one of them, or the
/// oldest up to `count`.
pub fn redrive(edit: &mut Edit<'_>, name: &str, count: u32, only: Option<u64>) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, name)?;
    let mut items = 0;
    if let Some(item) = only {
        let row: Option<DeadRow> = rows::read(edit.stage, Table::Coordination, &dead_key(queue.id(), item))?;
        let Some(row) = row else {
            return Err(not_dead(edit, queue, item)?);
        };
        revive(edit, &mut queue, item, row)?;
        items = 1;
    } else {
        let prefix = state_prefix(queue.id(), ItemState::Dead);
        edit.charge_deletes(u64::from(count), 0)?;
        while items < count {
            let Some((key, row)) = rows::first(edit.stage, Table::Coordination, &prefix)? else {
                break;
            };
            let Some(item) = decode_item(ItemState::Dead, &key) else {
                return Err(corrupt("reading a dead letter", &"its key does not decode").into());
            };
            revive(edit, &mut queue, item, rows::value(&row)?)?;
            items += 1;
        }
    }
    let remaining = queue.row.dead;
    queue.store(edit)?;
    Ok(QueueReply::Redriven { items, remaining })
}

fn revive(edit: &mut Edit<'_>, queue: &mut Queue, item: u64, row: DeadRow) -> Result<(), Failure> {
    edit.stage.delete(Table::Coordination, dead_key(queue.id(), item));
    queue.row.dead = queue.row.dead.saturating_sub(1);
    let mut standing = row.standing;
    standing.attempts = 0;
    put_back::place(edit, queue, item, standing, 0)?;
    tell_item(edit, &queue.name, item, ItemEvent::Redriven);
    Ok(())
}

fn not_dead(edit: &Edit<'_>, queue: Queue, item: u64) -> Result<Failure, Failure> {
    let exists = edit.stage.get(Table::Items, &item_key(queue.id(), item))?.is_some();
    let queue = queue.name;
    Ok(edit.refused(if exists {
        QueueRefusal::NotDead { queue, item }
    } else {
        QueueRefusal::UnknownItem { queue, item }
    }))
}
