//! Each event, as a client decodes it.

use prost::Message as _;
use quorate_proto::v1::{
    self as proto, LockFreedReason, LockMode, QueueClaimEnd, TaskWaitReason, lease_event, lock_event, queue_event,
    task_event, watch_event, worker_event,
};

use super::coordination;
use crate::types::{
    ClaimEnd, Event, HoldEnd, ItemEvent, LeaseEvent, LeaseId, LockEvent, QueueEvent, Revision, Share, TaskEvent,
    TaskWait, WorkerEvent,
};

const LEASE: LeaseId = LeaseId(7);

fn received(event: &Event) -> watch_event::Event {
    let sent = proto::WatchEvent {
        event: Some(coordination(event)),
    };
    let received = proto::WatchEvent::decode(sent.encode_to_vec().as_slice()).unwrap();
    received.event.unwrap()
}

fn of_lease(what: LeaseEvent) -> lease_event::What {
    match received(&Event::Lease { lease: LEASE, what }) {
        watch_event::Event::Lease(event) if event.lease == LEASE.0 => event.what.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn of_lock(what: LockEvent) -> lock_event::What {
    let lock = "l".to_owned();
    match received(&Event::Lock { lock, what }) {
        watch_event::Event::Lock(event) if event.lock == "l" => event.what.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn of_queue(what: QueueEvent) -> queue_event::What {
    let queue = "q".to_owned();
    match received(&Event::Queue { queue, what }) {
        watch_event::Event::Queue(event) if event.queue == "q" => event.what.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn of_items(what: ItemEvent) -> queue_event::What {
    let items = vec![1, 300];
    of_queue(QueueEvent::Items { items, what })
}

fn of_worker(what: WorkerEvent) -> worker_event::What {
    let worker = "w".to_owned();
    match received(&Event::Worker { worker, what }) {
        watch_event::Event::Worker(event) if event.worker == "w" => event.what.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn of_task(what: TaskEvent) -> task_event::What {
    let task = "t".to_owned();
    match received(&Event::Task { task, what }) {
        watch_event::Event::Task(event) if event.task == "t" => event.what.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_is_granted_and_ends() {
    use lease_event::What;
    let name = "n".to_owned();
    let granted = proto::LeaseGrantedEvent {
        name: name.clone(),
        ttl_ms: 1000,
    };
    assert_eq!(
        of_lease(LeaseEvent::Granted { name, ttl_ms: 1000 }),
        What::Granted(granted)
    );
    for expired in [false, true] {
        assert_eq!(
            of_lease(LeaseEvent::Ended { expired }),
            What::Ended(proto::LeaseEndedEvent { expired })
        );
    }
}

#[test]
fn a_lock_is_acquired_in_each_way() {
    let permits = Share::Permits { count: 3, permits: 5 };
    let ways = [
        (Share::Exclusive, LockMode::Exclusive, 1),
        (Share::Shared, LockMode::Shared, 1),
        (permits, LockMode::Unspecified, 3),
    ];
    for (share, mode, count) in ways {
        let event = LockEvent::Acquired {
            lease: LEASE,
            request: 2,
            token: Revision(9),
            share,
            waited: true,
        };
        let expected = proto::LockAcquiredEvent {
            lease: LEASE.0,
            request: 2,
            token: 9,
            mode: mode.into(),
            count,
            waited: true,
        };
        assert_eq!(of_lock(event), lock_event::What::Acquired(expected));
    }
}

#[test]
fn a_hold_ends_for_each_reason_and_proclaims() {
    let reason = "because".to_owned();
    let reasons = [
        (HoldEnd::Released, LockFreedReason::Released, ""),
        (HoldEnd::LeaseEnded, LockFreedReason::LeaseEnded, ""),
        (HoldEnd::Forced { reason }, LockFreedReason::Forced, "because"),
        (HoldEnd::Refused, LockFreedReason::Refused, ""),
    ];
    let (lease, request, token) = (LEASE, 2, Revision(9));
    for (why, expected, reason) in reasons {
        let event = LockEvent::Freed {
            lease,
            request,
            token,
            why,
        };
        let expected = proto::LockFreedEvent {
            lease: lease.0,
            request,
            token: token.0,
            why: expected.into(),
            reason: reason.to_owned(),
        };
        assert_eq!(of_lock(event), lock_event::What::Freed(expected));
    }
    let expected = proto::LockValueSetEvent {
        lease: lease.0,
        request,
        token: token.0,
    };
    let event = LockEvent::ValueSet { lease, request, token };
    assert_eq!(of_lock(event), lock_event::What::ValueSet(expected));
}

#[test]
fn a_queue_comes_goes_and_is_paused() {
    use queue_event::What;
    let expected = [
        (QueueEvent::Created, What::Created(proto::QueueCreatedEvent {})),
        (QueueEvent::Configured, What::Configured(proto::QueueConfiguredEvent {})),
        (QueueEvent::Deleted, What::Deleted(proto::QueueDeletedEvent {})),
        (QueueEvent::Paused, What::Paused(proto::QueuePausedEvent {})),
        (QueueEvent::Resumed, What::Resumed(proto::QueueResumedEvent {})),
    ];
    for (event, expected) in expected {
        assert_eq!(of_queue(event), expected);
    }
}

#[test]
fn items_come_are_claimed_and_go() {
    use queue_event::What;
    let items = vec![1, 300];
    for delayed in [false, true] {
        let items = items.clone();
        let expected = What::Enqueued(proto::QueueEnqueuedEvent { items, delayed });
        assert_eq!(of_items(ItemEvent::Enqueued { delayed }), expected);
    }
    for lease in [None, Some(LEASE)] {
        let event = ItemEvent::Claimed {
            token: Revision(9),
            lease,
            worker: "w".to_owned(),
        };
        let expected = proto::QueueClaimedEvent {
            items: items.clone(),
            token: 9,
            lease: lease.map_or(0, |lease| lease.0),
            worker: "w".to_owned(),
        };
        assert_eq!(of_items(event), What::Claimed(expected));
    }
    let of = || items.clone();
    let expected = [
        (ItemEvent::Ready, What::Ready(proto::QueueReadyEvent { items: of() })),
        (ItemEvent::Acked, What::Acked(proto::QueueAckedEvent { items: of() })),
        (
            ItemEvent::Redriven,
            What::Redriven(proto::QueueRedrivenEvent { items: of() }),
        ),
        (ItemEvent::Purged, What::Purged(proto::QueuePurgedEvent { items: of() })),
    ];
    for (event, expected) in expected {
        assert_eq!(of_items(event), expected);
    }
}

#[test]
fn items_come_back_for_each_reason() {
    use queue_event::What;
    let reasons = [
        (ClaimEnd::Nacked, QueueClaimEnd::Nacked),
        (ClaimEnd::TimedOut, QueueClaimEnd::TimedOut),
        (ClaimEnd::LeaseEnded, QueueClaimEnd::LeaseEnded),
    ];
    for (why, expected) in reasons {
        let returned = proto::QueueReturnedEvent {
            items: vec![1, 300],
            why: expected.into(),
            delayed: true,
        };
        let delayed = true;
        assert_eq!(of_items(ItemEvent::Returned { why, delayed }), What::Returned(returned));
        let reason = "because".to_owned();
        let dead = proto::QueueDeadEvent {
            items: vec![1, 300],
            why: expected.into(),
            reason: reason.clone(),
        };
        assert_eq!(of_items(ItemEvent::Dead { why, reason }), What::Dead(dead));
    }
}

#[test]
fn a_worker_comes_drains_and_goes() {
    use worker_event::What;
    let (lease, capacity) = (LEASE, 4);
    let registered = proto::WorkerRegisteredEvent {
        lease: lease.0,
        capacity,
    };
    let offline = proto::WorkerOfflineEvent { lease: lease.0 };
    let expected = [
        (
            WorkerEvent::Registered { lease, capacity },
            What::Registered(registered),
        ),
        (
            WorkerEvent::Updated { capacity },
            What::Updated(proto::WorkerUpdatedEvent { capacity }),
        ),
        (WorkerEvent::Draining, What::Draining(proto::WorkerDrainingEvent {})),
        (WorkerEvent::Resumed, What::Resumed(proto::WorkerResumedEvent {})),
        (WorkerEvent::Offline { lease }, What::Offline(offline)),
        (
            WorkerEvent::Deregistered,
            What::Deregistered(proto::WorkerDeregisteredEvent {}),
        ),
    ];
    for (event, expected) in expected {
        assert_eq!(of_worker(event), expected);
    }
}

#[test]
fn a_task_is_assigned_waits_and_ends() {
    use task_event::What;
    let generation = 5;
    let from = || Some("v".to_owned());
    let worker = || "w".to_owned();
    let assigned = proto::TaskAssignedEvent {
        worker: worker(),
        generation,
        from: "v".to_owned(),
    };
    let event = TaskEvent::Assigned {
        worker: worker(),
        generation,
        from: from(),
    };
    assert_eq!(of_task(event), What::Assigned(assigned));
    let reasons = [
        (TaskWait::NoWorker, TaskWaitReason::NoWorker),
        (TaskWait::Unassigned, TaskWaitReason::Unassigned),
        (TaskWait::WorkerGone, TaskWaitReason::WorkerGone),
    ];
    for (why, expected) in reasons {
        let from = None;
        let waiting = proto::TaskWaitingEvent {
            generation,
            from: String::new(),
            why: expected.into(),
        };
        assert_eq!(
            of_task(TaskEvent::Waiting { generation, from, why }),
            What::Waiting(waiting)
        );
    }
    let completed = proto::TaskCompletedEvent {
        worker: worker(),
        generation,
    };
    let event = TaskEvent::Completed {
        worker: worker(),
        generation,
    };
    assert_eq!(of_task(event), What::Completed(completed));
    let cancelled = proto::TaskCancelledEvent {
        generation,
        from: "v".to_owned(),
    };
    let event = TaskEvent::Cancelled {
        generation,
        from: from(),
    };
    assert_eq!(of_task(event), What::Cancelled(cancelled));
}
