//! Events of workers.

use quorate_proto::v1::{
    WorkerDeregisteredEvent, WorkerDrainingEvent, WorkerOfflineEvent, WorkerRegisteredEvent, WorkerResumedEvent,
    WorkerUpdatedEvent, worker_event::What,
};

use crate::types::WorkerEvent;

pub(super) fn what(event: &WorkerEvent) -> What {
    match event {
        WorkerEvent::Registered { lease, capacity } => What::Registered(WorkerRegisteredEvent {
            lease: lease.0,
            capacity: *capacity,
        }),
        WorkerEvent::Updated { capacity } => What::Updated(WorkerUpdatedEvent { capacity: *capacity }),
        WorkerEvent::Draining => What::Draining(WorkerDrainingEvent {}),
        WorkerEvent::Resumed => What::Resumed(WorkerResumedEvent {}),
        WorkerEvent::Offline { lease } => What::Offline(WorkerOfflineEvent { lease: lease.0 }),
        WorkerEvent::Deregistered => What::Deregistered(WorkerDeregisteredEvent {}),
    }
}
