//! Events of leases, locks, queues, workers and assignments.

use quorate_proto::v1::{self as proto, lease_event, watch_event};

use crate::types::{Event, LeaseEvent};

/// The event as it travels.
pub fn coordination(event: &Event) -> watch_event::Event {
    match event {
        Event::Lease { lease, what } => watch_event::Event::Lease(proto::LeaseEvent {
            lease: lease.0,
            what: Some(match what {
                LeaseEvent::Granted { name, ttl_ms } => lease_event::What::Granted(proto::LeaseGrantedEvent {
                    name: name.clone(),
                    ttl_ms: *ttl_ms,
                }),
                LeaseEvent::Ended { expired } => lease_event::What::Ended(proto::LeaseEndedEvent { expired: *expired }),
            }),
        }),
    }
}
