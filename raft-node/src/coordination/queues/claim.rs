//! Claims items.

use bincode::{Decode, Encode};

use super::item::{CheckpointRow, ClaimRow, ItemRow, Standing, checkpoint_key, claimed_key, item_key};
use super::operation::QueueReply;
use super::order::{self, Head};
use super::queue::Queue;
use super::receipt::{self, Receipt};
use super::tell::tell_items;
use super::timers::{self, TimerRow};
use crate::coordination::workers;
use crate::leases::{self, Attachment};
use crate::mvcc::{Edit, Failure, REPLY_BYTES_MAX};
use crate::rows;
use crate::storage::{StorageError, Table, View, corrupt};
use crate::types::{ItemEvent, LeaseId};

/// What is claimed, for whom and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// Name of the queue.
    pub queue: String,
    /// At most so many.
    pub count: u32,
    /// The claims end with this lease.
    pub lease: Option<LeaseId>,
    /// Who claims, for people.
    pub worker: String,
    /// How long the claims last, in milliseconds; none: as long as the queue says.
    pub visibility_ms: Option<u64>,
}

/// An item that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Claimed {
    /// The right to say what becomes of it.
    pub receipt: Receipt,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
    /// Which claim of it this is, from 1.
    pub attempt: u32,
    /// Wall time at which it was enqueued.
    pub enqueued_wall_ms: u64,
    /// How far whoever had it before came.
    pub checkpoint: Option<Vec<u8>>,
    /// The work.
    pub payload: Vec<u8>,
}

impl Claimed {
    fn bytes(&self) -> u64 {
        let checkpoint = self.checkpoint.as_ref().map_or(0, Vec::len);
        (self.payload.len() + checkpoint + self.group.len()) as u64
    }
}

/// Claims what is next. There may be nothing, which changes nothing; and there may be less than was asked for, also
/// because an answer has a limit. A first item that does not fit in what is left of the transaction's answer is refused.
pub fn claim(edit: &mut Edit<'_>, claim: &Claim) -> Result<QueueReply, Failure> {
    let mut queue = Queue::require(edit, &claim.queue)?;
    check_lease(edit, claim.lease)?;
    let visibility_ms = claim.visibility_ms.unwrap_or(queue.row.config.visibility_ms);
    let mut items = Vec::new();
    while items.len() < claim.count as usize && queue.row.claimable() > 0 {
        let Some(head) = order::head(edit.stage, &mut queue)? else {
            break;
        };
        let claimed = described(edit, &queue, &head)?;
        if !items.is_empty() && edit.reply_bytes.saturating_add(claimed.bytes()) > REPLY_BYTES_MAX {
            break;
        }
        edit.charge_reply(claimed.bytes())?;
        order::claim(edit.stage, &mut queue, &head)?;
        keep(edit, &mut queue, head.item, head.standing, claim)?;
        items.push(claimed);
    }
    if !items.is_empty() {
        let what = ItemEvent::Claimed {
            token: edit.revision,
            lease: claim.lease,
            worker: claim.worker.clone(),
        };
        let claimed = items.iter().map(|one| one.receipt.item).collect();
        tell_items(edit, &claim.queue, claimed, what);
    }
    queue.store(edit)?;
    Ok(QueueReply::Claimed { items, visibility_ms })
}

/// Refuses a lease that has ended, and that of a worker that takes nothing new.
pub fn check_lease(edit: &Edit<'_>, lease: Option<LeaseId>) -> Result<(), Failure> {
    let Some(lease) = lease else { return Ok(()) };
    if let Err(refusal) = leases::require(edit.stage, lease)? {
        return Err(edit.refused(refusal));
    }
    if let Err(refusal) = workers::may_claim(edit.stage, lease)? {
        return Err(edit.refused(refusal));
    }
    Ok(())
}

/// Keeps an item that is in no state as claimed. Its group has counted the claim.
pub fn keep(
    edit: &mut Edit<'_>,
    queue: &mut Queue,
    item: u64,
    standing: Standing,
    claim: &Claim,
) -> Result<(), Failure> {
    let visibility_ms = claim.visibility_ms.unwrap_or(queue.row.config.visibility_ms);
    let row = ClaimRow {
        standing: Standing {
            attempts: standing.attempts.saturating_add(1),
            ..standing
        },
        token: edit.revision,
        deadline: edit.log_time.after(visibility_ms),
        lease: claim.lease,
        worker: claim.worker.clone(),
    };
    let key = claimed_key(queue.id(), item);
    rows::write(edit.stage, Table::Coordination, key, &row)?;
    timers::set(edit.stage, receipt::timer(queue, item, &row), &TimerRow::default())?;
    queue.row.claimed += 1;
    if let Some(lease) = claim.lease {
        let attachment = Attachment::Receipt {
            queue: queue.id(),
            item,
        };
        if let Err(refusal) = leases::attach(edit.stage, lease, &attachment)? {
            return Err(edit.refused(refusal));
        }
    }
    Ok(())
}

fn described(edit: &Edit<'_>, queue: &Queue, head: &Head) -> Result<Claimed, StorageError> {
    let row = load(edit.stage, queue.id(), head.item)?;
    let checkpoint = if head.standing.checkpoint {
        let key = checkpoint_key(queue.id(), head.item);
        rows::read::<CheckpointRow>(edit.stage, Table::Items, &key)?.map(|row| row.data)
    } else {
        None
    };
    Ok(Claimed {
        receipt: Receipt {
            item: head.item,
            token: edit.revision,
        },
        priority: head.standing.priority,
        group: head.standing.group.clone(),
        attempt: head.standing.attempts.saturating_add(1),
        enqueued_wall_ms: row.enqueued_wall_ms,
        checkpoint,
        payload: row.payload,
    })
}

fn load(view: &dyn View, queue: u64, item: u64) -> Result<ItemRow, StorageError> {
    let row = rows::read(view, Table::Items, &item_key(queue, item))?;
    row.ok_or_else(|| {
        corrupt(
            "reading an item",
            &"it is in the order of its queue, but it holds nothing",
        )
    })
}
