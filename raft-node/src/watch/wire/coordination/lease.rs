//! Events of leases.

use quorate_proto::v1::{LeaseEndedEvent, LeaseGrantedEvent, lease_event::What};

use crate::types::LeaseEvent;

pub(super) fn what(event: &LeaseEvent) -> What {
    match event {
        LeaseEvent::Granted { name, ttl_ms } => What::Granted(LeaseGrantedEvent {
            name: name.clone(),
            ttl_ms: *ttl_ms,
        }),
        LeaseEvent::Ended { expired } => What::Ended(LeaseEndedEvent { expired: *expired }),
    }
}
