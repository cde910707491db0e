//! The results of operations.

use quorate_proto::v1::{self as proto, queue_result};

use super::wire_state;
use crate::coordination::queues::{Claimed, Enqueued, QueueReply};

/// The result of an operation.
pub(in crate::grpc) fn result(reply: QueueReply) -> proto::QueueResult {
    use queue_result::Result;
    let result = match reply {
        QueueReply::Created { new } => Result::Created(proto::QueueCreated { new }),
        QueueReply::Deleted => Result::Deleted(proto::QueueDeleted {}),
        QueueReply::Enqueued { items } => Result::Enqueued(proto::QueueEnqueued {
            items: items.into_iter().map(enqueued).collect(),
        }),
        QueueReply::Claimed { items, visibility_ms } => Result::Claimed(proto::QueueClaimed {
            items: items.into_iter().map(claimed).collect(),
            visibility_ms,
        }),
        QueueReply::Extended { visibility_ms } => Result::Extended(proto::QueueExtended { visibility_ms }),
        QueueReply::Checkpointed => Result::Checkpointed(proto::QueueCheckpointed {}),
        QueueReply::Acked => Result::Acked(proto::QueueAcked {}),
        QueueReply::Nacked { state } => Result::Nacked(proto::QueueNacked {
            state: wire_state(state).into(),
        }),
        QueueReply::Redriven { items, remaining } => Result::Redriven(proto::QueueRedriven { items, remaining }),
        QueueReply::Purged { items, remaining } => Result::Purged(proto::QueuePurged { items, remaining }),
        QueueReply::Paused { changed } => Result::Paused(proto::QueuePaused { changed }),
        QueueReply::Synced {
            enqueued: items,
            claimed,
            visibility_ms,
            new,
            changed,
        } => Result::Synced(proto::QueueSynced {
            enqueued: items.into_iter().map(enqueued).collect(),
            claimed: claimed
                .into_iter()
                .map(|item| proto::QueueReceipt { item, token: changed.0 })
                .collect(),
            visibility_ms,
            new,
            changed_revision: changed.0,
        }),
    };
    proto::QueueResult { result: Some(result) }
}

fn enqueued(one: Enqueued) -> proto::QueueEnqueuedItem {
    proto::QueueEnqueuedItem {
        item: one.item,
        duplicate: one.duplicate,
    }
}

fn claimed(one: Claimed) -> proto::QueueClaimedItem {
    proto::QueueClaimedItem {
        receipt: Some(proto::QueueReceipt {
            item: one.receipt.item,
            token: one.receipt.token.0,
        }),
        priority: one.priority.into(),
        group: one.group,
        attempt: one.attempt,
        enqueued_wall_ms: one.enqueued_wall_ms,
        checkpoint: one.checkpoint.map(Into::into),
        payload: one.payload.into(),
    }
}
