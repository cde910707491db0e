//! What happens to leases.

use bincode::{Decode, Encode};

/// What happens to leases.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LeaseEvent {
    /// It lives from now on.
    Granted {
        /// Its name.
        name: String,
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// It is over, and what was attached to it with it.
    Ended {
        /// It was not renewed in time; otherwise it was revoked.
        expired: bool,
    },
}

impl LeaseEvent {
    /// Bytes beside those of the enum itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            LeaseEvent::Granted { name, .. } => name.len(),
            LeaseEvent::Ended { .. } => 0,
        }
    }
}
