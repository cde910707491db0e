//! What the eventual calls of one client share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quorate_proto::v1;

use super::seen::Seen;
use crate::endpoint::Endpoint;
use crate::routing::Routing;

/// Where the client is, what it has seen, and the name of its requests.
pub(crate) struct Tier {
    pub(crate) seen: Seen,
    /// The member that answered last.
    at: Mutex<Option<Arc<Endpoint>>>,
    /// Random, so that no other client uses it.
    session: u64,
    last_sequence: AtomicU64,
}

impl Default for Tier {
    fn default() -> Self {
        Self {
            seen: Seen::default(),
            at: Mutex::default(),
            session: rand::random_range(1..=u64::MAX),
            last_sequence: AtomicU64::new(0),
        }
    }
}

impl Tier {
    /// Names one request.
    pub(super) fn stamp(&self) -> v1::EventualStamp {
        v1::EventualStamp {
            session: self.session,
            sequence: self.last_sequence.fetch_add(1, Ordering::Relaxed) + 1,
            first_process: 0,
        }
    }

    /// The nearest member if it is connected, then the one that answered last, then the nearest.
    pub(super) fn favourite(&self, routing: &Routing) -> Option<Arc<Endpoint>> {
        match routing.nearest() {
            Some(nearest) if nearest.is_connected() => Some(Arc::clone(nearest)),
            nearest => self.at.lock().clone().or_else(|| nearest.cloned()),
        }
    }

    /// The member answered.
    pub(super) fn stay(&self, endpoint: &Arc<Endpoint>) {
        let mut at = self.at.lock();
        if !at.as_ref().is_some_and(|at| Arc::ptr_eq(at, endpoint)) {
            *at = Some(Arc::clone(endpoint));
        }
    }

    /// The member failed a call.
    pub(super) fn leave(&self, endpoint: &Arc<Endpoint>) {
        let mut at = self.at.lock();
        if at.as_ref().is_some_and(|at| Arc::ptr_eq(at, endpoint)) {
            *at = None;
        }
    }
}
