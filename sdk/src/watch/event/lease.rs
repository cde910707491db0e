//! What happened to a lease.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::lease_event::What;

/// What happened to a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseEvent {
    /// Its id.
    pub lease: u64,
    /// What happened.
    pub kind: LeaseEventKind,
}

/// What happened to a lease. Renewals are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseEventKind {
    /// It was granted.
    Granted {
        /// Its name; empty if it has none.
        name: String,
        /// How long it lives without a renewal.
        ttl: Duration,
    },
    /// It was revoked.
    Revoked,
    /// It was not renewed in time.
    Expired,
}

impl LeaseEvent {
    /// None for something that this version does not know.
    pub(super) fn from_wire(event: v1::LeaseEvent) -> Option<Self> {
        let kind = match event.what? {
            What::Granted(granted) => LeaseEventKind::Granted {
                name: granted.name,
                ttl: Duration::from_millis(granted.ttl_ms),
            },
            What::Ended(ended) if ended.expired => LeaseEventKind::Expired,
            What::Ended(_) => LeaseEventKind::Revoked,
        };
        let lease = event.lease;
        Some(Self { lease, kind })
    }
}
