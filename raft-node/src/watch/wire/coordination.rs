//! Events of leases, locks, queues, workers and assignments, as they travel: a file for each kind of thing that they
//! happen to.

mod lease;
mod lock;
mod queue;
mod task;
mod worker;

#[cfg(test)]
mod tests;

use quorate_proto::v1::{self as proto, watch_event};

use crate::types::Event;

/// An event as it travels.
pub fn coordination(event: &Event) -> watch_event::Event {
    match event {
        Event::Lease { lease, what } => watch_event::Event::Lease(proto::LeaseEvent {
            lease: lease.0,
            what: Some(lease::what(what)),
        }),
        Event::Lock { lock, what } => watch_event::Event::Lock(proto::LockEvent {
            lock: lock.clone(),
            what: Some(lock::what(what)),
        }),
        Event::Queue { queue, what } => watch_event::Event::Queue(proto::QueueEvent {
            queue: queue.clone(),
            what: Some(queue::what(what)),
        }),
        Event::Worker { worker, what } => watch_event::Event::Worker(proto::WorkerEvent {
            worker: worker.clone(),
            what: Some(worker::what(what)),
        }),
        Event::Task { task, what } => watch_event::Event::Task(proto::TaskEvent {
            task: task.clone(),
            what: Some(task::what(what)),
        }),
    }
}
