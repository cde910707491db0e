//! Checks the operations of a transaction.

use quorate_proto::v1::{self as proto, Error, queue_operation};

use super::sync::sync;
use super::{name, state, text, within};
use crate::config::Limits;
use crate::coordination::queues::{
    ATTEMPTS_MAX, BATCH_MAX, CHECKPOINT_BYTES_MAX, Claim, DEDUPE_WINDOW_MS_MAX, DELAY_MS_MAX, DEPTH_MAX, NewItem,
    QueueConfig, QueueOperation, REASON_BYTES_MAX, Receipt, SWEEP_MAX, TEXT_BYTES_MAX, VISIBILITY_MS_MAX,
    VISIBILITY_MS_MIN,
};
use crate::grpc::error::{invalid, too_large};
use crate::types::{LeaseId, Revision};

/// Checks an operation of a transaction.
pub(in crate::grpc) fn operation(limits: &Limits, operation: &proto::QueueOperation) -> Result<QueueOperation, Error> {
    use queue_operation::Operation;
    let Some(operation) = &operation.operation else {
        return Err(invalid("operation", "an operation is empty"));
    };
    Ok(match operation {
        Operation::Create(one) => QueueOperation::Create {
            queue: name(&one.queue)?,
            config: config(one.config.unwrap_or_default())?,
        },
        Operation::Delete(one) => QueueOperation::Delete {
            queue: name(&one.queue)?,
        },
        Operation::Enqueue(one) => enqueue(limits, one)?,
        Operation::Claim(one) => QueueOperation::Claim(claim(one)?),
        Operation::Extend(one) => QueueOperation::Extend {
            queue: name(&one.queue)?,
            receipt: receipt(one.receipt)?,
            visibility_ms: visibility(one.visibility_ms)?,
        },
        Operation::Checkpoint(one) => checkpoint(one)?,
        Operation::Ack(one) => QueueOperation::Ack {
            queue: name(&one.queue)?,
            receipt: receipt(one.receipt)?,
        },
        Operation::Nack(one) => QueueOperation::Nack {
            queue: name(&one.queue)?,
            receipt: receipt(one.receipt)?,
            delay_ms: delay(one.delay_ms)?,
            dead: one.dead,
            reason: text("reason", &one.reason, REASON_BYTES_MAX)?,
        },
        Operation::Redrive(one) => redrive(one)?,
        Operation::Purge(one) => QueueOperation::Purge {
            queue: name(&one.queue)?,
            state: state("state", one.state)?,
            count: count("count", "a number of items to purge", one.count, SWEEP_MAX)?,
        },
        Operation::SetPaused(one) => QueueOperation::SetPaused {
            queue: name(&one.queue)?,
            paused: one.paused,
        },
        Operation::Sync(one) => QueueOperation::Sync(sync(limits, one)?),
    })
}

fn config(asked: proto::QueueConfig) -> Result<QueueConfig, Error> {
    let default = QueueConfig::default();
    let or_default = |asked: u64, default: u64| if asked == 0 { default } else { asked };
    let attempts_max = if asked.attempts_max == 0 {
        default.attempts_max
    } else {
        asked.attempts_max
    };
    let depth_max = or_default(asked.depth_max, default.depth_max);
    let window = or_default(asked.dedupe_window_ms, default.dedupe_window_ms);
    let most = u64::from(ATTEMPTS_MAX);
    within(
        "config.attempts_max",
        "a number of attempts",
        attempts_max.into(),
        1,
        most,
    )?;
    Ok(QueueConfig {
        visibility_ms: visibility(asked.visibility_ms)?.unwrap_or(default.visibility_ms),
        attempts_max,
        depth_max: within("config.depth_max", "a queue's depth", depth_max, 1, DEPTH_MAX)?,
        claimed_max: asked.claimed_max,
        group_claimed_max: asked.group_claimed_max,
        dedupe_window_ms: within(
            "config.dedupe_window_ms",
            "a dedupe window in ms",
            window,
            1,
            DEDUPE_WINDOW_MS_MAX,
        )?,
    })
}

fn enqueue(limits: &Limits, asked: &proto::QueueEnqueue) -> Result<QueueOperation, Error> {
    if asked.items.is_empty() {
        return Err(invalid("items", "there is no item to enqueue"));
    }
    if asked.items.len() > BATCH_MAX as usize {
        let (limit, value) = (u64::from(BATCH_MAX), asked.items.len() as u64);
        return Err(too_large("items", "fixed", limit, value, "items"));
    }
    Ok(QueueOperation::Enqueue {
        queue: name(&asked.queue)?,
        items: asked
            .items
            .iter()
            .map(|item| new_item(limits, item))
            .collect::<Result<_, _>>()?,
    })
}

pub(super) fn new_item(limits: &Limits, item: &proto::QueueNewItem) -> Result<NewItem, Error> {
    let bytes = item.payload.len() as u64;
    if bytes > limits.value_bytes_max {
        let limit = limits.value_bytes_max;
        return Err(too_large(
            "items.payload",
            "limits.value_bytes_max",
            limit,
            bytes,
            "bytes",
        ));
    }
    let dedupe_key = text("items.dedupe_key", &item.dedupe_key, TEXT_BYTES_MAX)?;
    Ok(NewItem {
        priority: priority("items.priority", item.priority)?,
        group: text("items.group", &item.group, TEXT_BYTES_MAX)?,
        dedupe_key: (!dedupe_key.is_empty()).then_some(dedupe_key),
        delay_ms: delay(item.delay_ms)?,
        payload: item.payload.to_vec(),
    })
}

pub(super) fn priority(field: &str, priority: u32) -> Result<u8, Error> {
    within(field, "a priority", priority.into(), 0, u8::MAX.into()).map(|_| u8::try_from(priority).unwrap_or(u8::MAX))
}

fn claim(asked: &proto::QueueClaim) -> Result<Claim, Error> {
    Ok(Claim {
        queue: name(&asked.queue)?,
        count: count("count", "a number of items to claim", asked.count, BATCH_MAX)?,
        lease: (asked.lease != 0).then_some(LeaseId(asked.lease)),
        worker: text("worker", &asked.worker, TEXT_BYTES_MAX)?,
        visibility_ms: visibility(asked.visibility_ms)?,
    })
}

fn checkpoint(asked: &proto::QueueCheckpoint) -> Result<QueueOperation, Error> {
    if asked.data.len() > CHECKPOINT_BYTES_MAX {
        let (limit, value) = (CHECKPOINT_BYTES_MAX as u64, asked.data.len() as u64);
        return Err(too_large("data", "fixed", limit, value, "bytes"));
    }
    Ok(QueueOperation::Checkpoint {
        queue: name(&asked.queue)?,
        receipt: receipt(asked.receipt)?,
        data: asked.data.to_vec(),
    })
}

fn redrive(asked: &proto::QueueRedrive) -> Result<QueueOperation, Error> {
    let item = (asked.item != 0).then_some(asked.item);
    Ok(QueueOperation::Redrive {
        queue: name(&asked.queue)?,
        count: match item {
            Some(_) => 1,
            None => count("count", "a number of items to redrive", asked.count, SWEEP_MAX)?,
        },
        item,
    })
}

fn receipt(receipt: Option<proto::QueueReceipt>) -> Result<Receipt, Error> {
    match receipt {
        Some(receipt) if receipt.item != 0 && receipt.token != 0 => Ok(Receipt {
            item: receipt.item,
            token: Revision(receipt.token),
        }),
        _ => Err(invalid(
            "receipt",
            "a receipt is an item and the token that a claim handed out, both at least 1",
        )),
    }
}

/// None: as long as the queue says.
pub(super) fn visibility(visibility_ms: u64) -> Result<Option<u64>, Error> {
    if visibility_ms == 0 {
        return Ok(None);
    }
    let (least, most) = (VISIBILITY_MS_MIN, VISIBILITY_MS_MAX);
    within("visibility_ms", "a visibility in ms", visibility_ms, least, most).map(Some)
}

fn delay(delay_ms: u64) -> Result<u64, Error> {
    within("delay_ms", "a delay in ms", delay_ms, 0, DELAY_MS_MAX)
}

fn count(field: &str, what: &str, count: u32, most: u32) -> Result<u32, Error> {
    within(field, what, count.into(), 1, most.into()).map(|_| count)
}
