//! Makes a queue what somebody who has read it wants of it.
//!
//! What was wanted was worked out from the whole queue, so all of it is done or none, and only if the queue has not changed
//! since it was read. Items are found by their priority and group, which never change: the rows of ready items are in the
//! order in which they are claimed, and no row says where a single one of them stands.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use super::claim::{self, Claim};
use super::config::QueueConfig;
use super::create::create;
use super::enqueue::{self, Enqueued, NewItem};
use super::item::{ClaimRow, ItemState, ReadyRow, Standing, claimed_key, dead_key, delayed_key, item_key, ready_key};
use super::operation::QueueReply;
use super::order::{self, Head};
use super::queue::Queue;
use super::tell::{tell_item, tell_items};
use super::{item, purge, put_back};
use crate::mvcc::{Edit, Failure};
use crate::rows;
use crate::storage::Table;
use crate::types::{ClaimEnd, ItemEvent, LeaseId, QueueRefusal, Revision};

/// Bytes of an item in the answer: its id, and whether it is a duplicate.
const REPLY_BYTES_PER_ITEM: u64 = 10;

/// What is wanted of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncQueue {
    /// Name of the queue.
    pub queue: String,
    /// It must not have changed after this revision; 0: there must be no such queue, or nothing in it.
    pub expected: Revision,
    /// These go, in whatever state they are.
    pub remove: Vec<ItemPlace>,
    /// These are claimed, and become ready again.
    pub give_back: Vec<u64>,
    /// These are added, in this order.
    pub enqueue: Vec<SyncItem>,
    /// These are ready, and become claimed.
    pub claim: Vec<ItemPlace>,
    /// The claims end with this lease.
    pub lease: Option<LeaseId>,
    /// Who claims, for people.
    pub worker: String,
    /// How long the claims last, in milliseconds; none: as long as the queue says.
    pub visibility_ms: Option<u64>,
}

/// Where an item is found if it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ItemPlace {
    /// Its id.
    pub item: u64,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
}

/// An item to be added.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SyncItem {
    /// What it is.
    pub new: NewItem,
    /// It is claimed at once, and has no delay; not if it is a duplicate.
    pub claimed: bool,
}

impl SyncQueue {
    /// Items that are named.
    pub fn items(&self) -> usize {
        self.remove.len() + self.give_back.len() + self.enqueue.len() + self.claim.len()
    }
}

/// Does what is wanted. What goes makes room for what comes, and what comes back for what is claimed.
pub fn sync(edit: &mut Edit<'_>, wanted: SyncQueue) -> Result<QueueReply, Failure> {
    edit.charge_deletes(wanted.remove.len() as u64, 0)?;
    edit.charge_reply(REPLY_BYTES_PER_ITEM * wanted.items() as u64)?;
    let (mut queue, new) = open(edit, &wanted)?;
    let claim = Claim {
        queue: wanted.queue,
        count: 0,
        lease: wanted.lease,
        worker: wanted.worker,
        visibility_ms: wanted.visibility_ms,
    };
    claim::check_lease(edit, claim.lease)?;
    let changes = !(wanted.remove.is_empty() && wanted.give_back.is_empty() && wanted.claim.is_empty());
    for place in &wanted.remove {
        remove(edit, &mut queue, place)?;
    }
    for item in wanted.give_back {
        give_back(edit, &mut queue, item)?;
    }
    let before = queue.row.items;
    let (enqueued, added) = add(edit, &mut queue, wanted.enqueue, &claim)?;
    let claimed = take(edit, &mut queue, wanted.claim, added, &claim)?;
    if changes || queue.row.items != before {
        // Whatever the counts are now: an item that came back may be replaced by another.
        queue.row.changed = edit.revision;
    }
    let reply = QueueReply::Synced {
        enqueued,
        claimed,
        visibility_ms: claim.visibility_ms.unwrap_or(queue.row.config.visibility_ms),
        new,
        changed: queue.row.changed,
    };
    queue.store(edit)?;
    Ok(reply)
}

/// The queue, if it is as it was read; says whether it is new.
fn open(edit: &mut Edit<'_>, wanted: &SyncQueue) -> Result<(Queue, bool), Failure> {
    let name = &wanted.queue;
    let expected = wanted.expected;
    // A revision that is yet to come was never read.
    let was_read = expected < edit.revision;
    let found = match Queue::find(edit.stage, name)? {
        Some(queue) if was_read && queue.row.changed <= expected => return Ok((queue, false)),
        Some(queue) if expected == Revision(0) && queue.row.depth() == 0 => return Ok((queue, false)),
        None if expected == Revision(0) => {
            create(edit, name.clone(), QueueConfig::default())?;
            return Ok((Queue::require(edit, name)?, true));
        }
        Some(queue) => queue.row.changed,
        None => Revision(0),
    };
    Err(edit.refused(QueueRefusal::Changed {
        queue: name.clone(),
        expected,
        found,
    }))
}

fn remove(edit: &mut Edit<'_>, queue: &mut Queue, place: &ItemPlace) -> Result<(), Failure> {
    let (id, item) = (queue.id(), place.item);
    let places = [
        (ItemState::Claimed, claimed_key(id, item)),
        (ItemState::Delayed, delayed_key(id, item)),
        (ItemState::Dead, dead_key(id, item)),
        (ItemState::Ready, ready_key(id, place.priority, &place.group, item)),
    ];
    for (state, key) in places {
        if let Some(row) = edit.stage.get(Table::Coordination, &key)? {
            let checkpoint = purge::take_out(edit, queue, item, state, (key, &row))?;
            item::remove(edit.stage, id, item, checkpoint);
            tell_item(edit, &queue.name, item, ItemEvent::Purged);
            return Ok(());
        }
    }
    Err(not_ready(edit, queue, place)?)
}

/// Unlike an item that failed, one that is given back is no dead letter, however often it was claimed.
fn give_back(edit: &mut Edit<'_>, queue: &mut Queue, item: u64) -> Result<(), Failure> {
    let key = claimed_key(queue.id(), item);
    let Some(claim) = rows::read::<ClaimRow>(edit.stage, Table::Coordination, &key)? else {
        let name = queue.name.clone();
        return Err(missing(
            edit,
            queue,
            item,
            QueueRefusal::NotClaimed { queue: name, item },
        )?);
    };
    put_back::end_claim(edit, queue, item, &claim)?;
    put_back::place(edit, queue, item, claim.standing, 0)?;
    let what = ItemEvent::Returned {
        why: ClaimEnd::Nacked,
        delayed: false,
    };
    tell_item(edit, &queue.name, item, what);
    Ok(())
}

/// Items to be claimed that are in no state yet.
type Added = Vec<(u64, Standing)>;

/// Adds items, and leaves those that are claimed at once to be put where they belong.
fn add(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    items: Vec<SyncItem>,
    claim: &Claim,
) -> Result<(Vec<Enqueued>, Added), Failure> {
    let mut enqueued = Vec::with_capacity(items.len());
    let (mut ready, mut delayed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for SyncItem { new, claimed } in items {
        let delay_ms = new.delay_ms;
        let (one, standing) = enqueue::admit(edit, queue, new)?;
        enqueued.push(one);
        let Some(standing) = standing else { continue };
        let told = if delay_ms == 0 { &mut ready } else { &mut delayed };
        told.push(one.item);
        if claimed {
            order::hold(edit.stage, queue, &standing)?;
            claim::keep(edit, queue, one.item, standing.clone(), claim)?;
            added.push((one.item, standing));
        } else {
            put_back::place(edit, queue, one.item, standing, delay_ms)?;
        }
    }
    tell_items(edit, &queue.name, ready, ItemEvent::Enqueued { delayed: false });
    tell_items(edit, &queue.name, delayed, ItemEvent::Enqueued { delayed: true });
    Ok((enqueued, added))
}

/// Claims ready items, and tells of them and of those that were `added`. Returns all of their ids.
fn take(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    places: Vec<ItemPlace>,
    added: Added,
    claim: &Claim,
) -> Result<Vec<u64>, Failure> {
    let mut claimed = Vec::with_capacity(places.len() + added.len());
    let mut groups = BTreeSet::new();
    for place in places {
        let key = ready_key(queue.id(), place.priority, &place.group, place.item);
        let Some(row) = rows::read::<ReadyRow>(edit.stage, Table::Coordination, &key)? else {
            return Err(not_ready(edit, queue, &place)?);
        };
        let standing = Standing {
            priority: place.priority,
            group: place.group.clone(),
            attempts: row.attempts,
            checkpoint: row.checkpoint,
        };
        let item = place.item;
        let head = Head { item, standing };
        order::claim(edit.stage, queue, &head)?;
        claim::keep(edit, queue, item, head.standing, claim)?;
        claimed.push(item);
        groups.insert(place.group);
    }
    for (item, standing) in added {
        claimed.push(item);
        groups.insert(standing.group);
    }
    check_limits(edit, queue, &groups)?;
    if !claimed.is_empty() {
        let what = ItemEvent::Claimed {
            token: edit.revision,
            lease: claim.lease,
            worker: claim.worker.clone(),
        };
        tell_items(edit, &queue.name, claimed.clone(), what);
    }
    Ok(claimed)
}

/// Refuses claims of these groups if the queue hands out nothing, or less.
fn check_limits(edit: &Edit<'_>, queue: &Queue, groups: &BTreeSet<String>) -> Result<(), Failure> {
    if groups.is_empty() {
        return Ok(());
    }
    if queue.row.paused {
        let queue = queue.name.clone();
        return Err(edit.refused(QueueRefusal::Paused { queue }));
    }
    let config = &queue.row.config;
    let refused = |group: Option<&String>, claims: u64, claims_max: u64| {
        edit.refused(QueueRefusal::TooManyClaims {
            queue: queue.name.clone(),
            group: group.cloned(),
            claims,
            claims_max,
        })
    };
    if config.claimed_max != 0 && queue.row.claimed > config.claimed_max {
        return Err(refused(None, queue.row.claimed, config.claimed_max));
    }
    for group in groups {
        let claims = order::claims_of(edit.stage, queue.id(), group)?;
        if config.group_claimed_max != 0 && claims > config.group_claimed_max {
            return Err(refused(Some(group), claims, config.group_claimed_max));
        }
    }
    Ok(())
}

fn not_ready(edit: &Edit<'_>, queue: &Queue, place: &ItemPlace) -> Result<Failure, Failure> {
    let refusal = QueueRefusal::NotReady {
        queue: queue.name.clone(),
        item: place.item,
        priority: place.priority,
        group: place.group.clone(),
    };
    missing(edit, queue, place.item, refusal)
}

/// Why an item was not found: `refusal`, if there is such an item.
fn missing(edit: &Edit<'_>, queue: &Queue, item: u64, refusal: QueueRefusal) -> Result<Failure, Failure> {
    if edit.stage.get(Table::Items, &item_key(queue.id(), item))?.is_some() {
        return Ok(edit.refused(refusal));
    }
    let queue = queue.name.clone();
    Ok(edit.refused(QueueRefusal::UnknownItem { queue, item }))
}
