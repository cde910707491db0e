//! What watchers are told of each revision, read back from its row.

use std::fmt::Write as _;

use super::Store;
use crate::codec;
use crate::mvcc::{Changes, keys};
use crate::storage::{Table, View as _};
use crate::types::{
    Event, HoldEnd, ItemEvent, LeaseEvent, LockEvent, QueueEvent, Revision, Share, TaskEvent, WorkerEvent,
};

/// Reads the events of each revision once.
pub struct Told {
    next: Revision,
}

impl Told {
    /// Those of the revisions that the store does not have yet.
    pub fn new(store: &Store) -> Told {
        Told {
            next: store.state.revision().next(),
        }
    }

    /// Those of the revisions since the last call, in order; none of what was compacted away.
    pub fn read(&mut self, store: &Store) -> Vec<(Revision, Event)> {
        let mut events = Vec::new();
        while self.next <= store.state.revision() {
            let row = store.engine.get(Table::Changes, &keys::changes(self.next)).unwrap();
            let of_revision = row.map_or(Vec::new(), |row| Changes::from_row(&row).unwrap().events);
            events.extend(of_revision.into_iter().map(|event| (self.next, event)));
            self.next = self.next.next();
        }
        events
    }
}

/// Checks the bytes of each event, as they stand in a row that holds it alone.
pub fn check_frozen(events: Vec<Event>, golden: &[&str]) {
    let mut found = Vec::new();
    for event in events {
        let changes = Changes {
            events: vec![event],
            ..Changes::default()
        };
        let (changes, row) = changes.into_row().unwrap();
        assert_eq!(Changes::from_row(&row).unwrap(), changes);
        let payload = &row[codec::HEADER_BYTES..];
        assert_eq!(payload[..3], [0, 0, 1], "wall time, keys, events");
        found.push(
            payload[3..]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        );
    }
    assert!(found.iter().eq(golden), "the bytes are now\n{}", found.join("\n"));
}

/// An event as scripts print it.
pub fn shown(event: &Event) -> String {
    match event {
        Event::Lease { lease, what } => format!("lease {lease}: {}", of_lease(what)),
        Event::Lock { lock, what } => format!("lock {lock}: {}", of_lock(what)),
        Event::Queue { queue, what } => format!("queue {queue}: {}", of_queue(what)),
        Event::Worker { worker, what } => format!("worker {worker}: {}", of_worker(what)),
        Event::Task { task, what } => format!("task {task}: {}", of_task(what)),
    }
}

fn of_lease(event: &LeaseEvent) -> String {
    match event {
        LeaseEvent::Granted { ttl_ms, .. } => format!("granted for {ttl_ms} ms"),
        LeaseEvent::Ended { expired: true } => "expired".to_owned(),
        LeaseEvent::Ended { expired: false } => "revoked".to_owned(),
    }
}

fn of_lock(event: &LockEvent) -> String {
    match event {
        LockEvent::Acquired {
            lease,
            request,
            token,
            share,
            waited,
        } => {
            let share = match share {
                Share::Exclusive => String::new(),
                Share::Shared => ", shared".to_owned(),
                Share::Permits { count, .. } => format!(", {count} permits"),
            };
            let waited = if *waited { ", after waiting" } else { "" };
            format!("acquired by {lease}/{request} with token {token}{share}{waited}")
        }
        LockEvent::Freed {
            lease,
            request,
            token,
            why,
        } => {
            let why = match why {
                HoldEnd::Released => "released",
                HoldEnd::LeaseEnded => "its lease ended",
                HoldEnd::Forced { reason } => &format!("forced because {reason}"),
                HoldEnd::Refused => "refused the next lock",
            };
            format!("freed by {lease}/{request} with token {token}: {why}")
        }
        LockEvent::ValueSet { lease, request, token } => {
            format!("another value of {lease}/{request} with token {token}")
        }
    }
}

fn of_queue(event: &QueueEvent) -> String {
    match event {
        QueueEvent::Items { items, what } => {
            let mut out = of_items(what);
            for item in items {
                write!(out, " {item}").unwrap();
            }
            out
        }
        whole => format!("{whole:?}").to_lowercase(),
    }
}

fn of_items(event: &ItemEvent) -> String {
    let delay = |delayed| if delayed { " with a delay" } else { "" };
    match event {
        ItemEvent::Enqueued { delayed } => format!("enqueued{}:", delay(*delayed)),
        ItemEvent::Claimed { token, lease, worker } => {
            let lease = lease.map_or(String::new(), |lease| format!(" under lease {lease}"));
            format!("claimed by {worker:?}{lease} with token {token}:")
        }
        ItemEvent::Returned { why, delayed } => format!("returned{} ({why:?}):", delay(*delayed)),
        ItemEvent::Dead { why, reason } => format!("dead ({why:?}, {reason:?}):"),
        ItemEvent::Ready | ItemEvent::Acked | ItemEvent::Redriven | ItemEvent::Purged => {
            format!("{event:?}:").to_lowercase()
        }
    }
}

fn of_worker(event: &WorkerEvent) -> String {
    match event {
        WorkerEvent::Registered { lease, capacity } => format!("registered under lease {lease}, capacity {capacity}"),
        WorkerEvent::Updated { capacity } => format!("updated, capacity {capacity}"),
        WorkerEvent::Offline { lease } => format!("offline with lease {lease}"),
        WorkerEvent::Draining | WorkerEvent::Resumed | WorkerEvent::Deregistered => format!("{event:?}").to_lowercase(),
    }
}

fn of_task(event: &TaskEvent) -> String {
    let from = |worker: &Option<String>| {
        worker
            .as_ref()
            .map_or(String::new(), |worker| format!(", from {worker}"))
    };
    // Of the revision and the number of the operation.
    let at = |generation: u64| format!("{}.{}", generation / 4096, generation % 4096);
    match event {
        TaskEvent::Assigned {
            worker,
            generation,
            from: before,
        } => format!("assigned to {worker} at {}{}", at(*generation), from(before)),
        TaskEvent::Waiting {
            generation,
            from: before,
            why,
        } => format!("waits at {}{} ({why:?})", at(*generation), from(before)),
        TaskEvent::Completed { worker, generation } => format!("completed by {worker} at {}", at(*generation)),
        TaskEvent::Cancelled {
            generation,
            from: before,
        } => format!("cancelled at {}{}", at(*generation), from(before)),
    }
}
