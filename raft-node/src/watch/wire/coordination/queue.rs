//! Events of queues.

use quorate_proto::v1::{
    QueueAckedEvent, QueueClaimEnd, QueueClaimedEvent, QueueConfiguredEvent, QueueCreatedEvent, QueueDeadEvent,
    QueueDeletedEvent, QueueEnqueuedEvent, QueuePausedEvent, QueuePurgedEvent, QueueReadyEvent, QueueRedrivenEvent,
    QueueResumedEvent, QueueReturnedEvent, queue_event::What,
};

use crate::types::{ClaimEnd, ItemEvent, QueueEvent};

pub(super) fn what(event: &QueueEvent) -> What {
    match event {
        QueueEvent::Created => What::Created(QueueCreatedEvent {}),
        QueueEvent::Configured => What::Configured(QueueConfiguredEvent {}),
        QueueEvent::Deleted => What::Deleted(QueueDeletedEvent {}),
        QueueEvent::Paused => What::Paused(QueuePausedEvent {}),
        QueueEvent::Resumed => What::Resumed(QueueResumedEvent {}),
        QueueEvent::Items { items, what } => of_items(items.clone(), what),
    }
}

fn of_items(items: Vec<u64>, event: &ItemEvent) -> What {
    match event {
        ItemEvent::Enqueued { delayed } => What::Enqueued(QueueEnqueuedEvent {
            items,
            delayed: *delayed,
        }),
        ItemEvent::Ready => What::Ready(QueueReadyEvent { items }),
        ItemEvent::Claimed { token, lease, worker } => What::Claimed(QueueClaimedEvent {
            items,
            token: token.0,
            lease: lease.map_or(0, |lease| lease.0),
            worker: worker.clone(),
        }),
        ItemEvent::Acked => What::Acked(QueueAckedEvent { items }),
        ItemEvent::Returned { why, delayed } => What::Returned(QueueReturnedEvent {
            items,
            why: ended(*why).into(),
            delayed: *delayed,
        }),
        ItemEvent::Dead { why, reason } => What::Dead(QueueDeadEvent {
            items,
            why: ended(*why).into(),
            reason: reason.clone(),
        }),
        ItemEvent::Redriven => What::Redriven(QueueRedrivenEvent { items }),
        ItemEvent::Purged => What::Purged(QueuePurgedEvent { items }),
    }
}

fn ended(why: ClaimEnd) -> QueueClaimEnd {
    match why {
        ClaimEnd::Nacked => QueueClaimEnd::Nacked,
        ClaimEnd::TimedOut => QueueClaimEnd::TimedOut,
        ClaimEnd::LeaseEnded => QueueClaimEnd::LeaseEnded,
    }
}
