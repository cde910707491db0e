//! Checks what is wanted of a queue.

use std::collections::BTreeSet;

use quorate_proto::v1::{self as proto, Error};

use super::operation::{new_item, priority, visibility};
use super::{name, text};
use crate::config::Limits;
use crate::coordination::queues::{ItemPlace, SYNC_MAX, SyncItem, SyncQueue, TEXT_BYTES_MAX};
use crate::grpc::error::{invalid, too_large};
use crate::types::{LeaseId, Revision};

/// Checks what is wanted of a queue, as far as that can be seen without it.
pub fn sync(limits: &Limits, asked: &proto::QueueSync) -> Result<SyncQueue, Error> {
    let items = asked.remove.len() + asked.give_back.len() + asked.enqueue.len() + asked.claim.len();
    if items == 0 {
        return Err(invalid(
            "sync",
            "nothing is wanted of the queue: name at least one item",
        ));
    }
    if items > SYNC_MAX as usize {
        return Err(too_large("sync", "fixed", u64::from(SYNC_MAX), items as u64, "items"));
    }
    named_once(asked)?;
    Ok(SyncQueue {
        queue: name(&asked.queue)?,
        expected: Revision(asked.expected_revision),
        remove: places("remove", &asked.remove)?,
        give_back: asked.give_back.clone(),
        enqueue: asked
            .enqueue
            .iter()
            .map(|item| added(limits, item))
            .collect::<Result<_, _>>()?,
        claim: places("claim", &asked.claim)?,
        lease: (asked.lease != 0).then_some(LeaseId(asked.lease)),
        worker: text("worker", &asked.worker, TEXT_BYTES_MAX)?,
        visibility_ms: visibility(asked.visibility_ms)?,
    })
}

fn named_once(asked: &proto::QueueSync) -> Result<(), Error> {
    let removed = asked.remove.iter().map(|place| ("remove", place.item));
    let given_back = asked.give_back.iter().map(|item| ("give_back", *item));
    let claimed = asked.claim.iter().map(|place| ("claim", place.item));
    let mut named = BTreeSet::new();
    for (field, item) in removed.chain(given_back).chain(claimed) {
        if item == 0 {
            return Err(invalid(field, "no item has the id 0"));
        }
        if !named.insert(item) {
            let value = item;
            return Err(Error {
                value,
                ..invalid(field, format!("item {item} is named twice"))
            });
        }
    }
    Ok(())
}

fn places(field: &str, asked: &[proto::QueueItemPlace]) -> Result<Vec<ItemPlace>, Error> {
    asked
        .iter()
        .map(|place| {
            Ok(ItemPlace {
                item: place.item,
                priority: priority(&format!("{field}.priority"), place.priority)?,
                group: text(&format!("{field}.group"), &place.group, TEXT_BYTES_MAX)?,
            })
        })
        .collect()
}

fn added(limits: &Limits, asked: &proto::QueueSyncItem) -> Result<SyncItem, Error> {
    let Some(item) = &asked.item else {
        return Err(invalid("enqueue.item", "an item to be added is empty"));
    };
    if asked.claimed && item.delay_ms != 0 {
        return Err(invalid(
            "enqueue.claimed",
            "an item that is claimed at once has no delay",
        ));
    }
    Ok(SyncItem {
        new: new_item(limits, item)?,
        claimed: asked.claimed,
    })
}
