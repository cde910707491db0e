//! What is read of queues, from a view that may be on disk.

use std::ops::{Bound, ControlFlow};

use super::item::{
    ClaimRow, DeadRow, DelayedRow, ItemRow, ItemState, ReadyRow, Standing, decode_item, decode_ready, item_key,
    state_prefix,
};
use super::order::{GroupRow, groups_prefix};
use super::queue::{self, QueueRow};
use crate::rows;
use crate::storage::{StorageError, Table, View, corrupt};
use crate::types::{LogTimeMs, Revision};

pub use super::queue::{find, scan};

/// Groups that are looked at for the oldest ready item.
const GROUPS_LOOKED_AT_MAX: usize = 1000;
/// Bytes of payloads in one answer of a peek; one item always fits.
const PEEK_BYTES_MAX: usize = 4 << 20;

/// Log time since which the oldest first item of a group has been ready: of the first 1,000 groups by name, where there
/// are more. None if nothing is ready.
pub fn oldest_ready(view: &dyn View, queue: u64) -> Result<Option<LogTimeMs>, StorageError> {
    let mut oldest: Option<LogTimeMs> = None;
    let mut looked_at = 0;
    let mut failed = None;
    rows::scan(view, Table::Coordination, &groups_prefix(queue), &mut |_, row| {
        match rows::value::<GroupRow>(row) {
            Ok(group) => {
                let own = group.lanes.iter().map(|lane| lane.first_since);
                oldest = oldest.into_iter().chain(own).min();
            }
            Err(error) => failed = Some(error),
        }
        looked_at += 1;
        if looked_at == GROUPS_LOOKED_AT_MAX || failed.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(oldest), Err)
}

/// Something can be claimed, or there is no such queue, which is to be answered at once.
pub fn is_ready(view: &dyn View, name: &str) -> Result<bool, StorageError> {
    Ok(queue::find(view, name)?.is_none_or(|row| row.claimable() > 0))
}

/// An item, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Its id.
    pub item: u64,
    /// Priority, group, claims so far.
    pub standing: Standing,
    /// What it holds.
    pub held: ItemRow,
    /// What its state adds.
    pub state: PeekedState,
}

/// What is known of an item in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeekedState {
    /// It waits for a claim.
    Ready {
        /// Log time since when.
        since: LogTimeMs,
    },
    /// Its delay is not over.
    Delayed {
        /// Log time at which it is.
        due: LogTimeMs,
    },
    /// Somebody has it.
    Claimed {
        /// Revision of the claim.
        token: Revision,
        /// Log time at which the claim is over.
        deadline: LogTimeMs,
        /// Who has it.
        worker: String,
        /// The lease of the claim; 0: none.
        lease: u64,
    },
    /// It is a dead letter.
    Dead {
        /// Log time since when.
        since: LogTimeMs,
        /// Why.
        reason: String,
    },
}

/// The first items of one state: ready ones by priority, group and id, the others by id. `after` is where an answer
/// before this one ended; empty: from the first on. Also returns where this one ends, if there are more.
pub fn peek(
    view: &dyn View,
    row: &QueueRow,
    state: ItemState,
    after: &[u8],
    limit: usize,
) -> Result<(Vec<Peeked>, Option<Vec<u8>>), StorageError> {
    let prefix = state_prefix(row.id, state);
    let end = rows::successor(&prefix);
    let from = [prefix.as_slice(), after].concat();
    let from = match after {
        [] => Bound::Included(from.as_slice()),
        _ => Bound::Excluded(from.as_slice()),
    };
    let mut found = Vec::new();
    let mut failed = None;
    let mut bytes = 0;
    let mut more = false;
    let mut last = Vec::new();
    view.scan(
        Table::Coordination,
        from,
        rows::up_to(end.as_ref()),
        false,
        &mut |key, value| {
            if found.len() == limit || bytes > PEEK_BYTES_MAX {
                more = true;
                return ControlFlow::Break(());
            }
            match peeked(view, row.id, state, key, value) {
                Ok(one) => {
                    bytes += one.held.payload.len();
                    last = key[prefix.len()..].to_vec();
                    found.push(one);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        },
    )?;
    failed.map_or(Ok((found, more.then_some(last))), Err)
}

fn peeked(view: &dyn View, queue: u64, state: ItemState, key: &[u8], value: &[u8]) -> Result<Peeked, StorageError> {
    let undecodable = || corrupt("reading an item", &"its key does not decode");
    let item = decode_item(state, key).ok_or_else(undecodable)?;
    let (standing, state) = match state {
        ItemState::Ready => {
            let (priority, group, _) = decode_ready(key).ok_or_else(undecodable)?;
            let row: ReadyRow = rows::value(value)?;
            let standing = Standing {
                priority,
                group,
                attempts: row.attempts,
                checkpoint: row.checkpoint,
            };
            (standing, PeekedState::Ready { since: row.since })
        }
        ItemState::Delayed => {
            let row: DelayedRow = rows::value(value)?;
            (row.standing, PeekedState::Delayed { due: row.due })
        }
        ItemState::Claimed => {
            let row: ClaimRow = rows::value(value)?;
            let state = PeekedState::Claimed {
                token: row.token,
                deadline: row.deadline,
                worker: row.worker,
                lease: row.lease.map_or(0, |lease| lease.0),
            };
            (row.standing, state)
        }
        ItemState::Dead => {
            let row: DeadRow = rows::value(value)?;
            let state = PeekedState::Dead {
                since: row.since,
                reason: row.reason,
            };
            (row.standing, state)
        }
    };
    let held = rows::read(view, Table::Items, &item_key(queue, item))?;
    let held = held.ok_or_else(|| corrupt("reading an item", &"it is in a state, but it holds nothing"))?;
    Ok(Peeked {
        item,
        standing,
        held,
        state,
    })
}
